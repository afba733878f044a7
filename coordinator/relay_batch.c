// Summaries of one round and attempt, brought together: who is in, who is still awaited, when they go on.
//
//            a summary begins              nobody is awaited any more, the
//            to come or a sum              deadline is near, or it is quiet
//   (none) ────────────────────▶ OPEN ────────────────────────────────────▶ SENDING
//                                 │ spoilt, void                              │ accepted   │ refused
//                                 ▼                                           ▼            ▼
//                              DROPPED: all send again                      DONE       DROPPED: all send
//                                                                                      again, one by one
//
// An experiment has at most one batch of either kind, so two vectors of sums whatever the number of learners.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

// ---- life -----------------------------------------------------------------------------------------------

static enum status take_ingest(struct relay_job *job, struct ingest **ret, struct error *error)
{
    const struct coordinator_options *options = job->relay->options;
    const struct reduction_room room = {.memory_bytes = (size_t)options->buffer_bytes};
    if (job->spare && job->n_spare == job->n_values) {
        *ret = job->spare;
        job->spare = NULL;
        return STATUS_OK;
    }
    return ingest_new(ret, &job->experiment.options.collaboration.reducer, job->n_values, &room, error);
}

enum status batch_open(struct relay_job *job, struct batch **ret, struct error *error)
{
    if (job->open) {
        *ret = job->open;
        return STATUS_OK;
    }
    struct batch *batch = memory_zalloc(sizeof *batch);
    if (!batch)
        return error_no_memory(error, sizeof *batch);
    enum status status = take_ingest(job, &batch->ingest, error);
    if (status != STATUS_OK) {
        memory_free(batch);
        return status;
    }
    ingest_reset(batch->ingest, job->weight_unit ? job->weight_unit : 1);
    batch->job = job;
    batch->round = job->round;
    batch->attempt = job->attempt;
    batch->n_values = job->n_values;
    snprintf(batch->model_id, sizeof batch->model_id, "%s", job->model_id);
    batch->changed_ms = clock_monotonic_ms();
    *ret = job->open = batch;
    return STATUS_OK;
}

void batch_free(struct batch *batch)
{
    struct relay_job *job = batch->job;
    assert(!batch->submissions);
    bool sending = job->sending == batch;
    if (job->open == batch)
        job->open = NULL;
    if (sending)
        job->sending = NULL;
    ingest_unref(job->spare);
    job->spare = batch->ingest;
    job->n_spare = batch->n_values;
    ingest_reset(job->spare, 1); // what still uploads into it is void
    rpc_call_unref(batch->call);
    partial_release(&batch->members);
    memory_free(batch);
    if (sending)
        relay_job_close(job);
}

void batch_attach(struct batch *batch, struct relay_submission *submission)
{
    submission->batch = batch;
    submission->next = batch->submissions;
    batch->submissions = submission;
}

void batch_detach(struct relay_submission *submission)
{
    if (!submission->batch)
        return;
    struct relay_submission **link = &submission->batch->submissions;
    while (*link != submission)
        link = &(*link)->next;
    *link = submission->next;
    submission->batch = NULL;
}

// ---- the end --------------------------------------------------------------------------------------------

// Those that wait are answered; those that still upload hear of it at their end.
static void answer_all(struct batch *batch, bool accepted, const char *message)
{
    while (batch->submissions) {
        struct relay_submission *submission = batch->submissions;
        bool uploading = submission->upload != NULL;
        batch_detach(submission);
        if (!uploading)
            relay_answer(submission, accepted,
                         accepted ? cohort_v1_Reason_REASON_UNSPECIFIED : cohort_v1_Reason_REASON_SUPERSEDED,
                         message);
    }
}

bool batch_is_current(const struct batch *batch)
{
    const struct relay_job *job = batch->job;
    return batch->round == job->round && batch->attempt == job->attempt &&
           strcmp(batch->model_id, job->model_id) == 0;
}

struct batch *batch_of(const struct relay_job *job, const char *learner)
{
    struct batch *batches[] = {job->open, job->sending};
    for (size_t i = 0; i < ARRAY_SIZE(batches); i++)
        if (batches[i] && batch_is_current(batches[i]) && partial_find(&batches[i]->members, learner))
            return batches[i];
    return NULL;
}

// Calls `each` for the learners behind the relay whose summaries are in the batch.
static void for_members(const struct batch *batch,
                        void (*each)(struct relayed *learner, const struct batch *))
{
    for (struct relayed *learner = batch->job->relay->learners; learner; learner = learner->next)
        if (learner->added_to == batch)
            each(learner, batch);
}

static void set_not_added(struct relayed *learner, const struct batch *batch)
{
    learner->added_to = NULL;
}

static void set_done(struct relayed *learner, const struct batch *batch)
{
    learner->round = learner->attempt = 0;
    learner->added_to = NULL;
}

static void set_alone(struct relayed *learner, const struct batch *batch)
{
    learner->alone = batch->round;
}

void batch_drop(struct batch *batch, const char *message)
{
    for_members(batch, set_not_added);
    if (batch->members.n)
        log_debug("summaries are asked for again", LOG_S("experiment", batch->job->id),
                  LOG_I("round", batch->round), LOG_I("summaries", batch->members.n),
                  LOG_S("reason", message));
    answer_all(batch, false, message);
    batch_free(batch);
}

void batch_accepted(struct batch *batch)
{
    for_members(batch, set_done);
    answer_all(batch, true, "");
    batch_free(batch);
}

// The coordinator cannot count the sum: it judges each learner's summary by itself.
void batch_refused(struct batch *batch, const char *message)
{
    log_warn("a sum of summaries was refused; they go one by one", LOG_S("experiment", batch->job->id),
             LOG_I("round", batch->round), LOG_I("summaries", batch->members.n), LOG_S("reason", message));
    for_members(batch, set_alone);
    batch_drop(batch, "the sum that it was part of was refused; send it again");
}

// ---- when it goes on ------------------------------------------------------------------------------------

// Learners of the batch's round whose summaries are in no batch, nor on their way by themselves.
static bool awaits_any(const struct batch *batch)
{
    const struct relay_job *job = batch->job;
    for (const struct relayed *learner = job->relay->learners; learner; learner = learner->next)
        if (learner->job == job && learner->round == batch->round && learner->attempt == batch->attempt &&
            learner->alone != batch->round && !learner->added_to)
            return true;
    return false;
}

static int64_t go_on_at(const struct batch *batch)
{
    const struct relay_job *job = batch->job;
    if (!awaits_any(batch))
        return job->assigned_ms + RELAY_GATHER_MS;
    int64_t quiet_ms = batch->changed_ms + RELAY_QUIET_MS;
    return quiet_ms < job->due_ms ? quiet_ms : job->due_ms;
}

static void retry(struct relay_job *job, int64_t now_ms)
{
    if (!job->sending || !job->sending->retry_ms)
        return;
    if (!batch_is_current(job->sending))
        batch_drop(job->sending, "the round is over; wait for the next assignment");
    else if (now_ms >= job->sending->retry_ms)
        batch_send(job->sending);
    else
        relay_wake(job->relay, job->sending->retry_ms);
}

// At the deadline nobody is held up by what still comes, unless parts of it are in the sum already.
static void give_up_uploads(const struct batch *batch)
{
    for (struct relay_submission *it = batch->submissions; it; it = it->next)
        if (it->upload && upload_is_held(it->upload))
            rpc_call_cancel(it->call); // its end comes back here
}

static void go_on(struct relay_job *job, int64_t now_ms)
{
    struct batch *batch = job->open;
    if (!batch || batch->members.n == 0 || job->sending)
        return;
    if (batch->n_uploading) {
        if (now_ms >= job->due_ms)
            give_up_uploads(batch);
        else
            relay_wake(job->relay, job->due_ms);
        return;
    }
    int64_t at_ms = go_on_at(batch);
    if (now_ms < at_ms) {
        relay_wake(job->relay, at_ms);
        return;
    }
    job->open = NULL;
    job->sending = batch;
    job->n_users++;
    batch_send(batch);
}

void batch_consider(struct relay_job *job, int64_t now_ms)
{
    job->n_users++; // it may end with a batch
    retry(job, now_ms);
    go_on(job, now_ms);
    relay_job_close(job);
}
