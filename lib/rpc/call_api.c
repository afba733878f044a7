// What users ask of a call: each notes a wish under the lock and lets the machine (call.c) see to it.
#include "base/memory.h"
#include "rpc/accept.h"
#include "rpc/call_impl.h"
#include "rpc/guard.h"
#include "rpc/quota.h"
#include <grpc/support/alloc.h>

enum { CHUNK_OVERHEAD_BYTES = 64 };

// ---- sending

static enum status refusal(const struct rpc_call *call, struct error *error)
{
    if (call->state != CALL_OPEN || call->send_failed)
        return error_set(error, STATUS_CANCELLED, "the call is over");
    if (call->wants_end)
        return error_set(error, STATUS_FAILED_PRECONDITION, "this side of the call was ended already");
    return STATUS_OK;
}

// Queues `buffer` (taken in every case), and the end behind it when `last`.
static enum status enqueue(struct rpc_call *call, grpc_byte_buffer *buffer, bool is_chunk, bool last,
                           struct error *error)
{
    struct send_item *item = send_item_new(buffer, is_chunk);
    if (!item) {
        grpc_byte_buffer_destroy(buffer);
        return error_no_memory(error, sizeof *item);
    }
    pthread_mutex_lock(&call->lock);
    enum status status = refusal(call, error);
    size_t before = call->queue.bytes;
    if (status == STATUS_OK)
        status = send_queue_add(&call->queue, item, error);
    call_account(call, before);
    if (status == STATUS_OK && last)
        call->wants_end = true;
    pthread_mutex_unlock(&call->lock);
    if (status != STATUS_OK) {
        send_item_free(item);
        return status;
    }
    call_pump(call);
    return STATUS_OK;
}

enum status rpc_call_send(struct rpc_call *call, const pb_msgdesc_t *fields, const void *message,
                          struct error *error)
{
    grpc_byte_buffer *buffer;
    TRY(message_encode(&buffer, fields, message, error));
    return enqueue(call, buffer, false, false, error);
}

enum status rpc_call_send_encoded(struct rpc_call *call, const void *bytes, size_t n, struct error *error)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(bytes, n);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return enqueue(call, buffer, false, false, error);
}

enum status rpc_call_send_shared(struct rpc_call *call, const struct rpc_encoded *encoded,
                                 struct error *error)
{
    return enqueue(call, grpc_byte_buffer_copy(encoded->buffer), false, false, error);
}

enum status call_send_last(struct rpc_call *call, const pb_msgdesc_t *fields, const void *message,
                           struct error *error)
{
    grpc_byte_buffer *buffer;
    TRY(message_encode(&buffer, fields, message, error));
    return enqueue(call, buffer, false, true, error);
}

enum status rpc_call_send_chunk(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes,
                                void (*release)(void *user), void *user, struct error *error)
{
    if (bytes > RPC_MESSAGE_BYTES_MAX - CHUNK_OVERHEAD_BYTES) {
        release(user);
        return error_set(error, STATUS_INVALID_ARGUMENT, "a chunk of %zu bytes is over the limit of %d",
                         bytes, RPC_MESSAGE_BYTES_MAX - CHUNK_OVERHEAD_BYTES);
    }
    return enqueue(call, chunk_encode(offset, data, bytes, release, user), true, false, error);
}

void rpc_call_end(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->wants_end = true;
    pthread_mutex_unlock(&call->lock);
    call_pump(call);
}

void rpc_call_finish(struct rpc_call *call, enum status status, const char *message)
{
    char *copy = message && message[0] ? memory_copy_text(message) : NULL;
    pthread_mutex_lock(&call->lock);
    bool first = !call->wants_end;
    if (first) {
        call->finish_status = status;
        call->finish_message = copy;
        call->wants_end = true;
    }
    pthread_mutex_unlock(&call->lock);
    if (!first)
        memory_free(copy);
    call_pump(call);
}

void rpc_call_fail(struct rpc_call *call, const struct error *error)
{
    rpc_call_finish(call, error->status ? error->status : STATUS_UNKNOWN, error->message);
}

void rpc_call_reply(struct rpc_call *call, const pb_msgdesc_t *fields, const void *response)
{
    struct error error = ERROR_INIT;
    if (call_send_last(call, fields, response, &error) != STATUS_OK)
        rpc_call_fail(call, &error);
}

void rpc_call_cancel(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->wants_cancel = true;
    pthread_mutex_unlock(&call->lock);
    call_pump(call);
}

// ---- what a call knows

void *rpc_call_user(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    void *user = call->user;
    pthread_mutex_unlock(&call->lock);
    return user;
}

void rpc_call_set_events(struct rpc_call *call, const struct rpc_events *events, void *user)
{
    pthread_mutex_lock(&call->lock);
    call->events = events;
    call->user = user;
    pthread_mutex_unlock(&call->lock);
}

const char *rpc_call_peer(const struct rpc_call *call)
{
    struct rpc_call *mutable = (struct rpc_call *)(uintptr_t)call; // asked for once, then kept
    pthread_mutex_lock(&mutable->lock);
    if (!mutable->peer && mutable->grpc)
        mutable->peer = grpc_call_get_peer(mutable->grpc);
    const char *peer = mutable->peer ? mutable->peer : "";
    pthread_mutex_unlock(&mutable->lock);
    return peer;
}

bool rpc_call_moved_bytes(const struct rpc_call *call, uint64_t *ret)
{
    struct in6_addr address;
    uint16_t port;
    return address_of_peer(rpc_call_peer(call), &address, &port) && accept_moved_bytes(&address, port, ret);
}

bool call_is_revoked(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    grpc_call *grpc = call->grpc;
    if (grpc)
        grpc_call_ref(grpc);
    pthread_mutex_unlock(&call->lock);
    if (!grpc)
        return false;
    bool revoked = verify_is_revoked(call->security, grpc);
    grpc_call_unref(grpc);
    return revoked;
}

void rpc_call_quota_peer(const struct rpc_call *call, struct rpc_peer *ret)
{
    quota_peer(&call->identity, rpc_call_peer(call), ret);
}

void call_own_request(struct rpc_call *call, const pb_msgdesc_t *fields, void *request)
{
    call->request_fields = fields;
    call->request = request;
}

void *call_context(const struct rpc_call *call)
{
    return call->context;
}

int64_t call_stalled_ms(struct rpc_call *call, int64_t now_ms)
{
    pthread_mutex_lock(&call->lock);
    bool message = call->sending && !(call->sending_item && call->sending_item->is_chunk);
    int64_t stalled_ms = message ? now_ms - call->sending_since_ms : 0;
    pthread_mutex_unlock(&call->lock);
    return stalled_ms;
}

// ---- a server's calls

void calls_add(struct rpc_call **list, struct rpc_call *call)
{
    call->next = *list;
    call->link = list;
    if (call->next)
        call->next->link = &call->next;
    *list = call;
}

void calls_remove(struct rpc_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
}

struct rpc_call *calls_next(const struct rpc_call *call)
{
    return call->next;
}
