// A summary on its way to the coordinator: a header, then chunks that point into the learner's summary,
// which stay as they are until the transport has let go of every one.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "learner/host.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HASH_AFTER_MS = 1000 };

struct submission {
    struct learner *learner;
    struct rpc_call *call;
    uint32_t round, attempt;
    unsigned long n_assignments; // that had come when it began
    const char *data;            // [bytes], the learner's
    uint64_t offset, bytes;
    bool ended; // everything has been queued
    bool turn;  // its own among the process's uploads: until all is sent, for a relay answers when all have
    bool answered;
    cohort_v1_SubmitSummaryResponse response;
    enum status status; // of the call
    char message[256];
    int64_t started_ns; // traced
    int64_t begun_ms;
    struct pace pace;
    bool in_place;    // the coordinator reads it from where it is
    bool from_offset; // it goes on where an earlier one broke off
    bool hashing;     // begun at least
    struct pool_job hash_job;
    atomic_uint n_holds; // the call's, and one a chunk in the transport's hands
    struct pool_job job; // runs when nothing holds the summary any more
};

// ---- the end --------------------------------------------------------------------------------------------

// Refusals that pass: an older upload that has not ended yet, a collection started over whose assignment is
// on its way, a control stream that is just coming back.
bool learner_may_try_again(cohort_v1_Reason reason)
{
    switch (reason) {
    case cohort_v1_Reason_REASON_UNSPECIFIED:
    case cohort_v1_Reason_REASON_SUPERSEDED:
    case cohort_v1_Reason_REASON_UNKNOWN_LEARNER:
        return true;
    default:
        return false;
    }
}

static void refused(struct learner *learner, const struct submission *submission)
{
    log_warn("summary refused", LOG_S("learner", learner->name), LOG_I("round", submission->round),
             LOG_S("reason", submission->response.message));
    learner->assigned = false;
}

static void try_again(struct learner *learner, const struct submission *submission)
{
    log_debug("sending the summary failed", LOG_S("learner", learner->name),
              LOG_S("status", status_name(submission->status)),
              LOG_S("error", submission->answered ? submission->response.message : submission->message));
    learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
}

// Whoever has waited longest may submit now.
static void submit_next(struct host *host)
{
    while (host->first_to_submit && host->n_submitting < SUBMISSIONS_MAX) {
        struct learner *next = host->first_to_submit;
        host->first_to_submit = next->next_to_submit;
        if (!host->first_to_submit)
            host->last_to_submit = &host->first_to_submit;
        next->waits_to_submit = false;
        learner_go_on(next); // which may have something else to do by now
    }
}

static void end_turn(struct submission *submission)
{
    submission->learner->host->n_submitting -= submission->turn;
    submission->turn = false;
}

static void finish(struct pool_job *job)
{
    struct submission *submission = container_of(job, struct submission, job);
    struct learner *learner = submission->learner;
    struct host *host = learner->host;
    pthread_mutex_lock(&host->lock);
    learner_trace(learner, "submit", submission->started_ns, submission->round);
    learner->submission = NULL;
    learner->activity = ACTIVITY_NONE;
    end_turn(submission);
    bool current = learner->assigned && learner->assignment.round == submission->round &&
                   learner->assignment.attempt == submission->attempt;
    if (current && submission->answered && submission->response.accepted) {
        learner->assigned = false;
        learner_lend_vectors(learner);
    } else if (current && submission->answered && submission->from_offset &&
               !learner_may_try_again(submission->response.reason)) {
        learner_send_all(learner); // whatever was wrong with what was there
        try_again(learner, submission);
    } else if (current && submission->answered && !learner_may_try_again(submission->response.reason) &&
               submission->n_assignments == learner->n_assignments) { // else it was asked for again meanwhile
        refused(learner, submission);
    } else if (current) {
        try_again(learner, submission);
    }
    learner_go_on(learner);
    submit_next(host);
    pthread_mutex_unlock(&host->lock);
    rpc_call_unref(submission->call);
    memory_free(submission);
}

// From any thread, even inside the transport: takes no lock but the pool's.
static void let_go(void *user)
{
    struct submission *submission = user;
    if (atomic_fetch_sub(&submission->n_holds, 1) == 1)
        pool_post(submission->learner->host->pool, &submission->job);
}

// ---- its hash -------------------------------------------------------------------------------------------

static void run_hash(struct pool_job *job)
{
    struct submission *submission = container_of(job, struct submission, hash_job);
    struct learner *learner = submission->learner;
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    uint8_t sha256[SHA256_BYTES];
    sha256_of(submission->data, submission->bytes, sha256);
    pthread_mutex_lock(&learner->host->lock);
    learner_note_sha256(learner, sha256);
    request.has_header = true;
    request.header.sha256.size = SHA256_BYTES;
    memcpy(request.header.sha256.bytes, sha256, SHA256_BYTES);
    pthread_mutex_unlock(&learner->host->lock);
    rpc_call_send(submission->call, cohort_v1_SubmitSummaryRequest_fields, &request, NULL);
    let_go(submission);
}

// An upload that takes its time can go on in another process, for those who know what it was.
static void hash_on_the_way(struct submission *submission, int64_t now_ms)
{
    if (submission->hashing || submission->bytes <= PACE_FIRST_BYTES ||
        now_ms - submission->begun_ms < HASH_AFTER_MS)
        return;
    submission->hashing = true;
    submission->hash_job.run = run_hash;
    atomic_fetch_add(&submission->n_holds, 1);
    pool_post(submission->learner->host->pool, &submission->hash_job);
}

// ---- the stream -----------------------------------------------------------------------------------------

static enum status send_next(struct submission *submission, struct rpc_call *call, size_t *ret_n)
{
    const char *bytes = submission->data + submission->offset;
    uint64_t left = submission->bytes - submission->offset;
    if (submission->in_place) {
        cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
        request.has_place = true;
        request.place = cross_place(submission->offset, bytes, left);
        *ret_n = (size_t)request.place.bytes;
        return rpc_call_send(call, cohort_v1_SubmitSummaryRequest_fields, &request, NULL);
    }
    int64_t now_ms = clock_monotonic_ms();
    hash_on_the_way(submission, now_ms);
    *ret_n = pace_next(&submission->pace, left, now_ms);
    atomic_fetch_add(&submission->n_holds, 1);
    return rpc_call_send_chunk(call, submission->offset, bytes, *ret_n, let_go, submission, NULL);
}

static void submit_writable(struct rpc_call *call, void *user)
{
    struct submission *submission = user;
    if (submission->ended || submission->answered)
        return;
    if (submission->offset == submission->bytes) {
        struct host *host = submission->learner->host;
        submission->ended = true;
        rpc_call_end(call);
        pthread_mutex_lock(&host->lock);
        submission->learner->tally.sent_bytes += submission->bytes;
        end_turn(submission);
        submit_next(host);
        pthread_mutex_unlock(&host->lock);
        return;
    }
    size_t n;
    if (send_next(submission, call, &n) != STATUS_OK)
        submission->ended = true; // `closed` follows
    submission->offset += n;
}

static void submit_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct submission *submission = user;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_SubmitSummaryResponse_fields, &submission->response, &error) ==
        STATUS_OK)
        submission->answered = true;
    rpc_call_receive(call);
}

static void submit_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct submission *submission = user;
    submission->status = status;
    snprintf(submission->message, sizeof submission->message, "%s", message);
    let_go(submission);
}

static const struct rpc_events submit_events = {
    .message = submit_message,
    .writable = submit_writable,
    .closed = submit_closed,
};

// ---- the beginning --------------------------------------------------------------------------------------

static void add_metric(cohort_v1_SummaryHeader *header, const char *name, double value)
{
    if (isnan(value))
        return;
    cohort_v1_Metric *metric = &header->metrics[header->metrics_count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
}

void learner_fill_header(const struct learner *learner, cohort_v1_SummaryHeader *ret)
{
    snprintf(ret->experiment_id, sizeof ret->experiment_id, "%s", learner->study->id);
    snprintf(ret->learner, sizeof ret->learner, "%s", learner->name);
    snprintf(ret->codec, sizeof ret->codec, "%s",
             learner->study->experiment.options.collaboration.codec.kind->name);
    ret->round = learner->assignment.round;
    ret->attempt = learner->assignment.attempt;
    ret->incarnation = learner->incarnation;
    if (!learner_between_peers(learner)) { // there, the values do not go to the coordinator
        size_t bytes;
        ret->n_values = plan_summary_values(&learner->study->plan);
        learner_summary_bytes(learner, &bytes);
        ret->bytes = bytes;
        ret->sha256.size = learner->has_sha256 ? SHA256_BYTES : 0;
        memcpy(ret->sha256.bytes, learner->sha256, ret->sha256.size);
    }
    ret->weight = learner->result.weight;
    ret->train_seconds = learner->result.train_seconds;
    ret->fetch_seconds = learner->result.fetch_seconds;
    ret->peak_rss_bytes = host_peak_rss(learner->host);
    add_metric(ret, "train_loss", learner->result.train_loss);
    add_metric(ret, "train_accuracy", learner->result.train_accuracy);
    add_metric(ret, metric_words[METRIC_PARAMETER_DISTANCE], learner->result.parameter_distance);
}

static enum status start(struct learner *learner, struct submission *submission, struct error *error)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    size_t bytes;
    const void *data = learner_summary_bytes(learner, &bytes);
    request.has_header = true;
    learner_fill_header(learner, &request.header);
    *submission = (struct submission){.learner = learner,
                                      .round = request.header.round,
                                      .attempt = request.header.attempt,
                                      .n_assignments = learner->n_assignments,
                                      .data = data,
                                      .bytes = request.header.bytes,
                                      .started_ns = trace_begin(),
                                      .begun_ms = clock_monotonic_ms(),
                                      .hashing = learner->has_sha256,
                                      .job = {.run = finish}};
    bool again = learner->offered; // an earlier one broke off
    submission->offset = request.offset = learner_take_offset(learner);
    submission->from_offset = submission->offset > 0;
    // What has failed once goes over the connection.
    submission->in_place = learner->host->is_read && !again && learner->n_retries == 0;
    if (submission->in_place)
        cross_door_show(learner->host->cross_door, &request.memory_token.size, request.memory_token.bytes);
    pace_begin(&submission->pace, submission->bytes - submission->offset, again);
    atomic_init(&submission->n_holds, 1);
    TRY(rpc_call_start(&submission->call, learner->host->channel, "/cohort.v1.Exchange/SubmitSummary", 0,
                       true, &submit_events, submission, error));
    learner->submission = submission;
    submission->turn = true;
    learner->host->n_submitting++;
    rpc_call_receive(submission->call);
    if (rpc_call_send(submission->call, cohort_v1_SubmitSummaryRequest_fields, &request, error) != STATUS_OK)
        rpc_call_cancel(submission->call);
    return STATUS_OK;
}

static void wait_to_submit(struct learner *learner)
{
    struct host *host = learner->host;
    if (learner->waits_to_submit)
        return;
    learner->waits_to_submit = true;
    learner->next_to_submit = NULL;
    *host->last_to_submit = learner;
    host->last_to_submit = &learner->next_to_submit;
}

void learner_submit(struct learner *learner)
{
    if (learner_submits_small(learner)) {
        learner_submit_small(learner);
        return;
    }
    if (learner->host->n_submitting >= SUBMISSIONS_MAX) {
        wait_to_submit(learner);
        return;
    }
    if (learner_must_offer(learner)) {
        learner_offer(learner);
        return;
    }
    struct error error = ERROR_INIT;
    struct submission *submission = memory_alloc(sizeof *submission);
    learner->activity = ACTIVITY_SUBMITTING;
    if (submission && start(learner, submission, &error) == STATUS_OK)
        return;
    memory_free(submission);
    log_warn("cannot submit", LOG_S("learner", learner->name), LOG_S("error", error.message));
    learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
}

void learner_cancel_submission(struct learner *learner)
{
    rpc_call_cancel(learner->submission->call);
}
