// A call, on either side: one machine.
//
//     client                                        server
//     IDLE --first send or end--> OPEN              OPEN from the start
//     OPEN --rpc_call_end--> ENDING                 OPEN --rpc_call_finish--> ENDING
//     ENDING --queue empty, end sent--> ENDED       ENDING --queue empty, status sent--> ENDED
//     any --the status or close tag--> OVER: what is queued is dropped, nothing new starts
//     OVER --the last tag under way is back--> CLOSED: `closed` is called, gRPC's part goes
//
// Up to three things are under way, each with a tag: the status (client) or close (server) from the beginning
// to OVER, one receive, one send. `pump` starts what may be started. It may run on any thread, but on one at
// a time: who finds it running leaves, and the one who runs it looks again. So gRPC is never entered with the
// lock held, and a `release` that it calls may call back in here.
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/call_impl.h"
#include <assert.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <pb_decode.h>
#include <string.h>

static void pump(struct rpc_call *call);

// ---- memory and references

void call_account(struct rpc_call *call, size_t before)
{
    if (call->share)
        atomic_fetch_add_explicit(&call->share->unread_bytes, call->queue.bytes - before,
                                  memory_order_relaxed);
}

static void call_release(struct rpc_call *call)
{
    if (call->request) {
        pb_release(call->request_fields, call->request);
        memory_free(call->request);
    }
    if (call->channel)
        channel_unref(call->channel);
    send_queue_release(&call->queue);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_slice_unref(call->details);
    if (call->peer)
        gpr_free(call->peer);
    memory_free(call->path);
    memory_free(call->finish_message);
    pthread_mutex_destroy(&call->lock);
    memory_free(call);
}

struct rpc_call *rpc_call_ref(struct rpc_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

struct rpc_call *rpc_call_unref(struct rpc_call *call)
{
    if (call && atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) == 1)
        call_release(call);
    return NULL;
}

// ---- the end

static char *closing_words(struct rpc_call *call, enum status *ret_status)
{
    if (call->server_side) {
        *ret_status = call->status_sent && !call->cancelled ? STATUS_OK : STATUS_CANCELLED;
        return *ret_status == STATUS_OK ? NULL : memory_copy_text("the peer went away or gave up");
    }
    *ret_status = (enum status)call->status;
    char *details = grpc_slice_to_c_string(call->details);
    char *words = channel_explain(call->channel, *ret_status, call->path, call->timeout_ms, details);
    gpr_free(details);
    return words;
}

// Closes the call when nothing is under way any more. On the queue's thread, after every tag.
static void settle(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool closes = call->state == CALL_OVER && call->n_under_way == 0;
    const struct rpc_events *events = call->events;
    void *user = call->user;
    grpc_call *grpc = call->grpc;
    struct share *share = NULL;
    if (closes) {
        call->state = CALL_CLOSED;
        call->grpc = NULL;
        share = call->share;
        call->share = NULL; // the handle may outlive the server
    }
    pthread_mutex_unlock(&call->lock);
    if (!closes)
        return;
    if (events && events->closed) {
        enum status status;
        cleanup_free char *words = closing_words(call, &status);
        events->closed(call, status, words ? words : "", user);
    }
    grpc_call_unref(grpc);
    if (share)
        atomic_fetch_sub(&share->n_calls, 1);
    if (call->over)
        call->over(call, call->context);
    rpc_call_unref(call); // the machine's own
}

static void over_tag(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = container_of(tag, struct rpc_call, over_tag);
    struct send_queue dropped;
    pthread_mutex_lock(&call->lock);
    call->n_under_way--;
    call->state = CALL_OVER;
    size_t before = call->queue.bytes;
    dropped = send_queue_take(&call->queue);
    call_account(call, before);
    pthread_mutex_unlock(&call->lock);
    send_queue_release(&dropped);
    settle(call);
}

// ---- receiving

static void deliver(struct rpc_call *call, grpc_byte_buffer *buffer, bool failed)
{
    pthread_mutex_lock(&call->lock);
    const struct rpc_events *events = call->events;
    void *user = call->user;
    pthread_mutex_unlock(&call->lock);
    if (buffer) {
        struct rpc_message message = {.buffer = buffer};
        if (events && events->message)
            events->message(call, &message, user);
        grpc_byte_buffer_destroy(buffer);
    } else if (!failed && events && events->ended) {
        events->ended(call, user);
    }
}

static void receive_tag(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = container_of(tag, struct rpc_call, receive_tag);
    grpc_byte_buffer *buffer = call->received;
    call->received = NULL;
    bool failed = !ok || call->refused || grpc_call_failed_before_recv_message(call->grpc);
    pthread_mutex_lock(&call->lock);
    call->receiving = false;
    pthread_mutex_unlock(&call->lock);
    deliver(call, buffer, failed);
    pump(call);
    pthread_mutex_lock(&call->lock);
    call->n_under_way--; // only now: `closed` comes after the message's callback
    pthread_mutex_unlock(&call->lock);
    settle(call);
}

void rpc_call_receive(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->wants_message = true;
    pthread_mutex_unlock(&call->lock);
    pump(call);
}

// ---- sending

static void send_tag(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = container_of(tag, struct rpc_call, send_tag);
    struct send_queue dropped = SEND_QUEUE_INIT;
    pthread_mutex_lock(&call->lock);
    ok = ok && !call->refused;
    bool had_message = call->sending_item != NULL;
    size_t before = call->queue.bytes;
    struct send_item *item = call->sending_item;
    call->sending_item = NULL;
    if (item)
        send_queue_done(&call->queue, item);
    if (ok && call->sending_end)
        call->status_sent = true;
    if (!ok) {
        call->send_failed = true;
        dropped = send_queue_take(&call->queue);
    }
    call_account(call, before);
    call->sending = false;
    bool drained = ok && had_message && !call->queue.first && !call->wants_end;
    const struct rpc_events *events = call->events;
    void *user = call->user;
    pthread_mutex_unlock(&call->lock);
    send_item_free(item);
    send_queue_release(&dropped);
    pump(call);
    if (drained && events && events->writable)
        events->writable(call, user);
    pthread_mutex_lock(&call->lock);
    call->n_under_way--;
    pthread_mutex_unlock(&call->lock);
    settle(call);
}

// ---- the pump

enum step { STEP_NONE, STEP_CANCEL, STEP_RECEIVE, STEP_SEND };

struct batch {
    enum step step;
    grpc_op ops[4];
    size_t n_ops;
    struct rpc_tag *tag;
    grpc_call *grpc;
    grpc_slice details;
    bool has_details;
};

static void add_end(struct rpc_call *call, struct batch *batch)
{
    grpc_op *op = &batch->ops[batch->n_ops++];
    call->sending_end = true;
    if (!call->server_side) {
        op->op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
        return;
    }
    batch->details = grpc_slice_from_copied_string(call->finish_message ? call->finish_message : "");
    batch->has_details = true;
    op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op->data.send_status_from_server.status = (grpc_status_code)call->finish_status;
    op->data.send_status_from_server.status_details = &batch->details;
}

// The first message, and the end with it when it is the last.
static void plan_send(struct rpc_call *call, struct batch *batch)
{
    if (!call->metadata_sent) {
        grpc_op *op = &batch->ops[batch->n_ops++];
        op->op = GRPC_OP_SEND_INITIAL_METADATA;
        if (call->wait)
            op->flags =
                GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
        const char *token = call->channel ? channel_token(call->channel) : NULL;
        if (token) {
            call->shown.key = grpc_slice_from_static_string("authorization");
            call->shown.value = grpc_slice_from_static_string(token); // the channel stays as long as the call
            op->data.send_initial_metadata.count = 1;
            op->data.send_initial_metadata.metadata = &call->shown;
        }
        call->metadata_sent = true;
    }
    struct send_item *item = send_queue_pop(&call->queue);
    if (item) {
        grpc_op *op = &batch->ops[batch->n_ops++];
        op->op = GRPC_OP_SEND_MESSAGE;
        op->data.send_message.send_message = item->buffer;
        if (call->queue.first) // the next one is to travel with it
            op->flags = GRPC_WRITE_BUFFER_HINT;
        call->sending_item = item;
    }
    if (call->wants_end && !call->queue.first)
        add_end(call, batch);
    call->sending = true;
    call->sending_since_ms = clock_monotonic_ms();
    batch->step = STEP_SEND;
    batch->tag = &call->send_tag;
}

static void plan_receive(struct rpc_call *call, struct batch *batch)
{
    call->wants_message = false;
    call->receiving = true;
    batch->ops[0].op = GRPC_OP_RECV_MESSAGE;
    batch->ops[0].data.recv_message.recv_message = &call->received;
    batch->n_ops = 1;
    batch->step = STEP_RECEIVE;
    batch->tag = &call->receive_tag;
}

static bool may_send(const struct rpc_call *call)
{
    return !call->sending && !call->send_failed && !call->sending_end &&
           (call->queue.first || call->wants_end);
}

// What may be started now, under the lock; false when nothing.
static bool plan(struct rpc_call *call, struct batch *batch)
{
    memset(batch, 0, sizeof *batch);
    if (!call->begun || call->state != CALL_OPEN)
        return false;
    batch->grpc = call->grpc;
    if (call->wants_cancel) {
        call->wants_cancel = false;
        grpc_call_ref(call->grpc);
        batch->step = STEP_CANCEL;
        return true;
    }
    if (call->wants_message && !call->receiving)
        plan_receive(call, batch);
    else if (may_send(call))
        plan_send(call, batch);
    else
        return false;
    call->n_under_way++;
    return true;
}

static void start_batch(struct rpc_call *call, const struct batch *batch)
{
    tag_leaves(batch->tag);
    if (grpc_call_start_batch(batch->grpc, batch->ops, batch->n_ops, batch->tag, NULL) == GRPC_CALL_OK)
        return;
    // No tag would come; an empty batch, which is never refused, brings it, and the call goes.
    assert(!"gRPC refuses the batch");
    call->refused = true;
    grpc_call_cancel(batch->grpc, NULL);
    grpc_call_start_batch(batch->grpc, NULL, 0, batch->tag, NULL);
}

static void perform(struct rpc_call *call, struct batch *batch)
{
    if (batch->step == STEP_CANCEL) {
        grpc_call_cancel(batch->grpc, NULL);
        grpc_call_unref(batch->grpc);
        return;
    }
    start_batch(call, batch);
    if (batch->has_details)
        grpc_slice_unref(batch->details);
}

static void pump(struct rpc_call *call)
{
    struct batch batch;
    pthread_mutex_lock(&call->lock);
    if (call->pumping) {
        pthread_mutex_unlock(&call->lock);
        return;
    }
    call->pumping = true;
    rpc_call_ref(call);
    while (plan(call, &batch)) {
        pthread_mutex_unlock(&call->lock);
        perform(call, &batch);
        pthread_mutex_lock(&call->lock);
    }
    call->pumping = false;
    pthread_mutex_unlock(&call->lock);
    rpc_call_unref(call);
}

void call_pump(struct rpc_call *call)
{
    pump(call);
}

// ---- the beginning

struct rpc_call *call_new(const struct call_start *start)
{
    struct rpc_call *call = memory_zalloc(sizeof *call);
    if (!call)
        return NULL;
    if (start->path && !start->server_side && !(call->path = memory_copy_text(start->path)))
        return memory_free(call);
    pthread_mutex_init(&call->lock, NULL);
    atomic_init(&call->refs, start->server_side ? 1 : 2);
    call->grpc = start->grpc;
    call->security = start->security;
    call->identity = start->identity;
    call->served_path = start->server_side ? start->path : NULL;
    call->share = start->share;
    if (start->share)
        atomic_fetch_add(&start->share->n_calls, 1);
    call->server_side = start->server_side;
    call->events = start->events;
    call->user = start->user;
    call->timeout_ms = start->timeout_ms;
    call->wait = start->wait;
    call->over = start->over;
    call->context = start->context;
    call->over_tag.run = over_tag;
    call->receive_tag.run = receive_tag;
    call->send_tag.run = send_tag;
    call->details = grpc_empty_slice();
    grpc_metadata_array_init(&call->metadata);
    grpc_metadata_array_init(&call->trailing);
    if (start->channel) {
        channel_ref(start->channel);
        call->channel = start->channel;
    }
    return call;
}

void call_begin(struct rpc_call *call)
{
    grpc_op ops[2] = {{.op = GRPC_OP_RECV_CLOSE_ON_SERVER}};
    size_t n_ops = 1;
    ops[0].data.recv_close_on_server.cancelled = &call->cancelled;
    if (!call->server_side) {
        ops[0] = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
        ops[0].data.recv_initial_metadata.recv_initial_metadata = &call->metadata;
        ops[1] = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
        ops[1].data.recv_status_on_client.trailing_metadata = &call->trailing;
        ops[1].data.recv_status_on_client.status = &call->status;
        ops[1].data.recv_status_on_client.status_details = &call->details;
        n_ops = 2;
    }
    struct batch batch = {.grpc = call->grpc, .tag = &call->over_tag, .n_ops = n_ops};
    memcpy(batch.ops, ops, sizeof ops);
    rpc_call_ref(call); // `closed` may come before this returns
    call->n_under_way = 1;
    start_batch(call, &batch);
    pthread_mutex_lock(&call->lock);
    call->begun = true;
    pthread_mutex_unlock(&call->lock);
    pump(call);
    rpc_call_unref(call);
}
