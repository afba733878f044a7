// A sum of summaries on its way upstream: a header, the members, then chunks that point into the sums, which
// stay as they are until the transport has let go of every one.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <stdio.h>
#include <string.h>

enum { RETRY_FIRST_MS = 50, RETRY_MOST_MS = 5000, TRIES_MAX = 12, REFUSALS_MAX = 4 };

// ---- the end --------------------------------------------------------------------------------------------

// An upload of the same learners that the coordinator has not yet seen end passes, as does a broken call.
static bool may_try_again(const struct batch *batch)
{
    if (batch->job->relay->ending || !batch_is_current(batch) || !batch->submissions)
        return false;
    if (batch->answered)
        return batch->response.reason == cohort_v1_Reason_REASON_SUPERSEDED && batch->n_tries < REFUSALS_MAX;
    return batch->n_tries < TRIES_MAX;
}

static void try_again(struct batch *batch)
{
    int64_t pause_ms = RETRY_FIRST_MS;
    for (unsigned int i = 1; i < batch->n_tries && pause_ms < RETRY_MOST_MS; i++)
        pause_ms *= 2;
    log_debug("sending a sum failed", LOG_S("experiment", batch->job->id), LOG_I("round", batch->round),
              LOG_S("status", status_name(batch->status)),
              LOG_S("error", batch->answered ? batch->response.message : batch->message));
    batch->retry_ms = clock_monotonic_ms() + pause_ms;
    relay_wake(batch->job->relay, batch->retry_ms);
}

static void conclude(struct batch *batch)
{
    struct relay_job *job = batch->job;
    job->n_users++; // it may go with the batch
    if (batch->answered && batch->response.accepted) {
        log_debug("a sum was accepted", LOG_S("experiment", job->id), LOG_I("round", batch->round),
                  LOG_I("summaries", batch->members.n));
        batch_accepted(batch);
    } else if (may_try_again(batch))
        try_again(batch);
    else if (batch->answered && batch_is_current(batch))
        batch_refused(batch, batch->response.message);
    else
        batch_drop(batch, "the sum that it was part of did not come through; send it again");
    batch_consider(job, clock_monotonic_ms());
    relay_job_close(job);
}

static void finish(struct pool_job *done)
{
    struct batch *batch = container_of(done, struct batch, done);
    struct relay *relay = batch->job->relay;
    pthread_mutex_lock(&relay->lock);
    batch->call = rpc_call_unref(batch->call);
    conclude(batch);
    relay_call_over(relay);
    pthread_mutex_unlock(&relay->lock);
}

// From any thread, even inside the transport: takes no lock but the pool's.
static void let_go(void *user)
{
    struct batch *batch = user;
    if (atomic_fetch_sub(&batch->n_holds, 1) == 1)
        pool_post(batch->job->relay->pool, &batch->done);
}

// ---- the stream -----------------------------------------------------------------------------------------

static void send_writable(struct rpc_call *call, void *user)
{
    struct batch *batch = user;
    if (batch->ended || batch->answered)
        return;
    if (batch->offset == batch->bytes) {
        batch->ended = true;
        rpc_call_end(call);
        return;
    }
    uint64_t left = batch->bytes - batch->offset;
    size_t n = left < RPC_CHUNK_BYTES ? (size_t)left : RPC_CHUNK_BYTES;
    const char *sums = (const char *)reduction_sums(ingest_reduction(batch->ingest)) + batch->offset;
    atomic_fetch_add(&batch->n_holds, 1);
    if (rpc_call_send_chunk(call, batch->offset, sums, n, let_go, batch, NULL) != STATUS_OK)
        batch->ended = true; // `closed` follows
    batch->offset += n;
}

static void send_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct batch *batch = user;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_SubmitSummaryResponse_fields, &batch->response, &error) ==
        STATUS_OK)
        batch->answered = true;
    rpc_call_receive(call);
}

static void send_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct batch *batch = user;
    batch->status = status;
    snprintf(batch->message, sizeof batch->message, "%s", message);
    let_go(batch);
}

static const struct rpc_events send_events = {
    .message = send_message,
    .writable = send_writable,
    .closed = send_closed,
};

// ---- the beginning --------------------------------------------------------------------------------------

static void fill_request(const struct batch *batch, cohort_v1_SubmitSummaryRequest *ret)
{
    cohort_v1_SummaryHeader *header = &ret->header;
    ret->has_header = true;
    snprintf(header->experiment_id, sizeof header->experiment_id, "%s", batch->job->id);
    snprintf(header->learner, sizeof header->learner, "%s", batch->job->relay->name);
    snprintf(header->codec, sizeof header->codec, "%s", PARTIAL_CODEC);
    header->round = batch->round;
    header->attempt = batch->attempt;
    header->n_values = batch->n_values;
    header->bytes = batch->bytes;
    header->weight = reduction_weight(ingest_reduction(batch->ingest));
    header->peak_rss_bytes = memory_peak_rss();
    partial_send(&batch->members, ret);
}

static enum status start(struct batch *batch, struct error *error)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    batch->bytes = batch->n_values * sizeof(int64_t);
    fill_request(batch, &request);
    TRY(relay_call(batch->job->relay, &batch->call, "/cohort.v1.Exchange/SubmitSummary", &send_events, batch,
                   error));
    rpc_call_receive(batch->call);
    if (rpc_call_send(batch->call, cohort_v1_SubmitSummaryRequest_fields, &request, error) != STATUS_OK)
        rpc_call_cancel(batch->call);
    return STATUS_OK;
}

void batch_send(struct batch *batch)
{
    struct error error = ERROR_INIT;
    batch->offset = batch->retry_ms = 0;
    batch->ended = batch->answered = false;
    batch->done.run = finish;
    batch->n_tries++;
    atomic_store(&batch->n_holds, 1);
    enum status status = start(batch, &error);
    if (status == STATUS_OK)
        return; // from here on it is the callbacks'
    batch->status = status;
    snprintf(batch->message, sizeof batch->message, "%.250s", error.message);
    conclude(batch);
}
