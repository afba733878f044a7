#include "calls.h"
#include "base/memory.h"
#include "base/pool.h"
#include "fuzz.h"
#include <string.h>

void (*calls_sent)(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes);

// ---- what the target does -------------------------------------------------------------------------------

struct rpc_call *calls_arrive(const char *certificate)
{
    struct rpc_call *call = memory_zalloc(sizeof *call);
    fuzz_require(call != NULL);
    call->refs = 1;
    call->certificate = certificate;
    return call;
}

void calls_deliver(struct rpc_call *call, const uint8_t *data, size_t n, size_t cut)
{
    struct rpc_message message = fuzz_message(data, n, cut);
    fuzz_require(call->wants && !call->closed);
    call->wants = false;
    call->events->message(call, &message, call->user);
    fuzz_message_release(&message);
}

void calls_half_close(struct rpc_call *call)
{
    fuzz_require(call->wants && !call->closed);
    call->wants = false;
    call->events->ended(call, call->user);
}

static void drop_chunk(struct rpc_call *call)
{
    void (*release)(void *user) = call->release;
    call->release = NULL;
    if (release)
        release(call->release_user);
}

void calls_hand_over(struct rpc_call *call)
{
    if (!call->queued || call->closed)
        return;
    call->queued = false;
    drop_chunk(call);
    if (!call->ended && call->events->writable)
        call->events->writable(call, call->user);
}

void calls_close(struct rpc_call *call, enum status status, const char *message)
{
    fuzz_require(!call->closed);
    call->closed = true;
    drop_chunk(call);
    if (call->events)
        call->events->closed(call, status, message, call->user);
    rpc_call_unref(call);
}

// ---- what is called instead of lib/rpc ------------------------------------------------------------------

void rpc_call_set_events(struct rpc_call *call, const struct rpc_events *events, void *user)
{
    call->events = events;
    call->user = user;
}

enum status rpc_call_start(struct rpc_call **ret, struct rpc_channel *channel, const char *path,
                           int64_t timeout_ms, bool wait, const struct rpc_events *events, void *user,
                           struct error *error)
{
    struct rpc_call *call = calls_arrive(NULL);
    rpc_call_set_events(call, events, user);
    call->refs++; // the caller's
    *ret = call;
    return STATUS_OK;
}

struct rpc_call *rpc_call_unref(struct rpc_call *call)
{
    if (--call->refs == 0)
        memory_free(call);
    return NULL;
}

void rpc_call_receive(struct rpc_call *call)
{
    fuzz_require(!call->wants); // one request is outstanding, at most
    call->wants = true;
}

static enum status refusal(const struct rpc_call *call, struct error *error)
{
    if (call->closed)
        return error_set(error, STATUS_CANCELLED, "the call is over");
    fuzz_require(!call->ended);
    return STATUS_OK;
}

enum status rpc_call_send(struct rpc_call *call, const pb_msgdesc_t *fields, const void *message,
                          struct error *error)
{
    TRY(refusal(call, error));
    call->queued = true;
    return STATUS_OK;
}

enum status rpc_call_send_chunk(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes,
                                void (*release)(void *user), void *user, struct error *error)
{
    enum status status = refusal(call, error);
    if (status != STATUS_OK) {
        release(user);
        return status;
    }
    fuzz_require(!call->release && bytes <= RPC_MESSAGE_BYTES_MAX);
    call->queued = true;
    call->release = release;
    call->release_user = user;
    if (calls_sent)
        calls_sent(call, offset, data, bytes);
    return STATUS_OK;
}

void rpc_call_end(struct rpc_call *call)
{
    call->ended = true;
}

void rpc_call_finish(struct rpc_call *call, enum status status, const char *message)
{
    if (call->ended)
        return;
    fuzz_require(status == STATUS_OK || *message);
    call->ended = true;
    call->status = status;
}

void rpc_call_cancel(struct rpc_call *call)
{
    call->cancelled = true;
}

enum status rpc_call_speaks_for(struct rpc_call *call, const char *learner, struct error *error)
{
    if (!call->certificate || strcmp(call->certificate, learner) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_PERMISSION_DENIED, "not its certificate");
}

// ---- and instead of base/pool ---------------------------------------------------------------------------

static struct pool_job *first_job, **last_job = &first_job;

void pool_post(struct pool *pool, struct pool_job *job)
{
    job->next = NULL;
    *last_job = job;
    last_job = &job->next;
}

void calls_run_jobs(void)
{
    for (struct pool_job *job; (job = first_job);) {
        first_job = job->next;
        if (!first_job)
            last_job = &first_job;
        job->run(job);
    }
}
