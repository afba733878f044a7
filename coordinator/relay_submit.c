// Summaries that come to a relay: folded into the round's batch where that can be, passed on as they are
// where it cannot. Those whose bytes are all here wait, unanswered, until the coordinator has accepted them.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include "summary/codec.h"
#include <stdio.h>
#include <string.h>

// ---- answers --------------------------------------------------------------------------------------------

void relay_answer(struct relay_submission *submission, bool accepted, cohort_v1_Reason reason,
                  const char *message)
{
    cohort_v1_SubmitSummaryResponse response = cohort_v1_SubmitSummaryResponse_init_zero;
    if (atomic_exchange(&submission->answered, true))
        return;
    response.accepted = accepted;
    response.reason = reason;
    snprintf(response.message, sizeof response.message, "%.500s", message);
    rpc_call_send(submission->call, cohort_v1_SubmitSummaryResponse_fields, &response, NULL);
    rpc_call_finish(submission->call, STATUS_OK, "");
}

static void ask_again(struct relay_submission *submission, const char *message)
{
    relay_answer(submission, false, cohort_v1_Reason_REASON_SUPERSEDED, message);
}

void relay_fail(struct relay_submission *submission, enum status status, const char *message)
{
    if (!atomic_exchange(&submission->answered, true))
        rpc_call_finish(submission->call, status, message);
}

// ---- what to do with a summary --------------------------------------------------------------------------

enum course { COURSE_FOLD, COURSE_WAIT, COURSE_PASS, COURSE_AGAIN };

// The learner of an assignment that the member's summary answers, as far as the relay can tell; else NULL.
static struct relayed *find_assigned(const struct relay *relay, const cohort_v1_SummaryHeader *header,
                                     const cohort_v1_SummaryMember *member)
{
    struct relayed *learner = relay_find(relay, member->learner, member->incarnation);
    if (!learner || !learner->job || strcmp(learner->job->id, header->experiment_id) != 0)
        return NULL;
    bool fits = learner->round && learner->round == header->round && learner->attempt == header->attempt &&
                learner->job->round == header->round && learner->job->attempt == header->attempt &&
                learner->alone != header->round;
    enum weighting weighting = (enum weighting)learner->job->experiment.options.collaboration.weighting;
    fits = fits && weighting_check(weighting, member->weight, learner->n_samples, NULL) == STATUS_OK;
    return fits ? learner : NULL;
}

static bool size_fits(const struct relay_submission *submission, const struct relay_job *job,
                      const cohort_v1_SummaryHeader *header)
{
    const struct choice *codec = &job->experiment.options.collaboration.codec;
    const struct codec_kind *kind = (const struct codec_kind *)(const void *)codec->kind;
    if (!job->adds_up || job->n_values == 0 || header->n_values != job->n_values)
        return false;
    if (submission->is_sum)
        return header->bytes == job->n_values * sizeof(int64_t);
    return kind->identity && strcmp(header->codec, kind->kind.name) == 0 &&
           header->bytes == job->n_values * sizeof(float);
}

// Another call of one of these learners is still bringing its summary.
static struct relay_submission *find_rival(const struct relay_submission *submission,
                                           const struct batch *batch)
{
    for (struct relay_submission *other = batch ? batch->submissions : NULL; other; other = other->next)
        for (size_t i = 0; other->upload && i < submission->members.n; i++)
            if (partial_find(&other->members, submission->members.members[i].learner))
                return other;
    return NULL;
}

// `ret_batch`: that it waits for.
static enum course choose_course(const struct relay_submission *submission,
                                 const cohort_v1_SummaryHeader *header, struct relay_job **ret_job,
                                 struct batch **ret_batch)
{
    struct relay_job *job = NULL;
    size_t n_sending = 0, n_open = 0, n = submission->members.n;
    for (size_t i = 0; i < n; i++) {
        const cohort_v1_SummaryMember *member = &submission->members.members[i];
        const struct relayed *learner = find_assigned(submission->relay, header, member);
        if (!learner || (job && learner->job != job))
            return COURSE_PASS;
        job = learner->job;
        n_open += learner->added_to && learner->added_to == job->open;
        n_sending += learner->added_to && learner->added_to == job->sending;
    }
    if (!job || !size_fits(submission, job, header))
        return COURSE_PASS;
    *ret_job = job;
    *ret_batch = n_open ? job->open : job->sending;
    if (n_open == n || n_sending == n)
        return COURSE_WAIT;
    struct relay_submission *rival = find_rival(submission, job->open);
    if (rival)
        rpc_call_cancel(rival->call); // it hangs; its end makes way
    return n_open || n_sending || rival ? COURSE_AGAIN : COURSE_FOLD;
}

static enum status begin_fold(struct relay_submission *submission, const cohort_v1_SummaryHeader *header,
                              struct relay_job *job, struct error *error)
{
    struct batch *batch = NULL;
    const struct contribution from = {.weight = header->weight, .discount = 1};
    TRY(batch_open(job, &batch, error));
    TRY(submission->is_sum ? upload_new_sums(&submission->upload, batch->ingest, &from,
                                             (uint32_t)submission->members.n, error)
                           : upload_new(&submission->upload, batch->ingest, &from, error));
    batch_attach(batch, submission);
    batch->n_uploading++;
    return STATUS_OK;
}

// What goes by itself is not awaited by a batch.
static void set_alone(struct relay_submission *submission, uint32_t round)
{
    for (size_t i = 0; i < submission->members.n; i++) {
        const cohort_v1_SummaryMember *member = &submission->members.members[i];
        struct relayed *learner = relay_find(submission->relay, member->learner, member->incarnation);
        if (!learner || learner->round != round || learner->added_to)
            continue;
        learner->alone = round;
        if (learner->job)
            batch_consider(learner->job, clock_monotonic_ms());
    }
}

static void take_course(struct relay_submission *submission, const cohort_v1_SummaryHeader *header)
{
    struct relay_job *job = NULL;
    struct batch *batch = NULL;
    struct error error = ERROR_INIT;
    enum status status = STATUS_OK;
    submission->round = header->round;
    switch (choose_course(submission, header, &job, &batch)) {
    case COURSE_FOLD:
        status = begin_fold(submission, header, job, &error);
        break;
    case COURSE_WAIT:
        batch_attach(batch, submission);
        lease_end(&submission->lease);
        break;
    case COURSE_PASS:
        set_alone(submission, header->round);
        status = passage_begin(submission, header, &error);
        break;
    case COURSE_AGAIN:
        ask_again(submission, "an upload for this round has not ended yet; try again in a moment");
        break;
    }
    if (status != STATUS_OK)
        relay_fail(submission, status, error.message);
}

// ---- the call -------------------------------------------------------------------------------------------

static void submit_header(struct relay_submission *submission, cohort_v1_SubmitSummaryRequest *request)
{
    const cohort_v1_SummaryHeader *header = &request->header;
    struct error error = ERROR_INIT;
    uint64_t weight = 0;
    submission->begun = true;
    submission->is_sum = strcmp(header->codec, PARTIAL_CODEC) == 0;
    if (!submission->is_sum) {
        const cohort_v1_SummaryMember member = partial_member(header);
        submission->members.n = 0;
        if (partial_add(&submission->members, &member, &error) != STATUS_OK)
            relay_fail(submission, error.status, error.message);
    } else if (!partial_weigh(&submission->members, &weight) || weight != header->weight) {
        relay_fail(submission, STATUS_INVALID_ARGUMENT,
                   "a partial sum must name its learners, each once, and its weight must be theirs together");
    }
    pthread_mutex_lock(&submission->relay->lock);
    if (!submission->answered)
        take_course(submission, header);
    pthread_mutex_unlock(&submission->relay->lock);
}

// By name: a newer incarnation of the learner may have been assigned the round in the meantime.
static void mark_added(struct batch *batch, const struct partial *members)
{
    for (struct relayed *learner = batch->job->relay->learners; learner; learner = learner->next)
        if (learner->job == batch->job && learner->round == batch->round &&
            learner->attempt == batch->attempt && partial_find(members, learner->name))
            learner->added_to = batch;
}

// The upload is over, whole or not. Under the lock.
static void end_upload(struct relay_submission *submission, enum status finished)
{
    struct batch *batch = submission->batch;
    struct relay_job *job = batch ? batch->job : NULL;
    struct error error = ERROR_INIT;
    bool spoilt = upload_free(submission->upload);
    submission->upload = NULL;
    if (!batch) {
        ask_again(submission, "the round was collected anew or is over; wait for the next assignment");
        return;
    }
    job->n_users++;
    batch->n_uploading--;
    if (finished == STATUS_OK &&
        partial_add_all(&batch->members, &submission->members, &error) == STATUS_OK) {
        batch->changed_ms = clock_monotonic_ms();
        log_debug("a summary was added", LOG_S("experiment", job->id), LOG_I("round", batch->round),
                  LOG_S("learner", submission->members.members[0].learner),
                  LOG_I("summaries", batch->members.n));
        mark_added(batch, &submission->members);
    } else {
        batch_detach(submission);
        if (spoilt || finished != STATUS_CANCELLED) // not when its connection broke
            set_alone(submission, submission->round);
        ask_again(submission, "the relay cannot add it up; send it again, for the coordinator to judge");
        if (spoilt || finished == STATUS_OK)
            batch_drop(batch, "another summary of the sum was cut short or is unfit; send it again");
    }
    batch_consider(job, clock_monotonic_ms());
    relay_job_close(job);
}

static void take_chunk(struct relay_submission *submission, struct rpc_call *call,
                       struct rpc_message *message)
{
    struct error error = ERROR_INIT;
    struct rpc_chunk chunk;
    enum status status =
        rpc_message_decode_chunk(message, NULL, NULL, &chunk, upload_take, submission->upload, &error);
    lease_renew(&submission->lease);
    if (status == STATUS_OK) {
        rpc_call_receive(call);
        return;
    }
    pthread_mutex_lock(&submission->relay->lock);
    lease_end(&submission->lease);
    end_upload(submission, status);
    pthread_mutex_unlock(&submission->relay->lock);
}

// As the coordinator does: those whose summaries it brings hear that it comes.
static void upload_moved(struct lease *lease)
{
    struct relay_submission *submission = container_of(lease, struct relay_submission, lease);
    const cohort_v1_AttendResponse moving = {.which_event = cohort_v1_AttendResponse_moving_tag};
    for (size_t i = 0; i < submission->members.n; i++) {
        const cohort_v1_SummaryMember *member = &submission->members.members[i];
        struct relayed *learner = relay_find(submission->relay, member->learner, member->incarnation);
        if (learner && learner->down)
            rpc_call_send(learner->down, cohort_v1_AttendResponse_fields, &moving, NULL);
    }
}

static void submit_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct relay_submission *submission = user;
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    struct error error = ERROR_INIT;
    if (submission->answered)
        return;
    if (submission->passage) {
        lease_renew(&submission->lease);
        passage_message(submission->passage, message);
    } else if (submission->upload) {
        take_chunk(submission, call, message);
    } else if (!submission->begun) {
        partial_receive(&submission->members, &request);
        if (rpc_message_decode(message, cohort_v1_SubmitSummaryRequest_fields, &request, &error) != STATUS_OK)
            relay_fail(submission, error.status, error.message);
        else if (!request.has_header)
            relay_fail(submission, STATUS_INVALID_ARGUMENT, "the first message must hold the header");
        else if (partial_check_speaker(&submission->members, &request.header, call, &error) != STATUS_OK)
            relay_fail(submission, error.status, error.message);
        else
            submit_header(submission, &request);
        lease_transfers(&submission->lease, upload_moved);
        if (!submission->answered && submission->upload)
            rpc_call_receive(call);
    }
}

static void submit_ended(struct rpc_call *call, void *user)
{
    struct relay_submission *submission = user;
    struct error error = ERROR_INIT;
    if (submission->passage) {
        passage_ended(submission->passage);
    } else if (submission->upload) {
        enum status status = upload_finish(submission->upload, &error);
        pthread_mutex_lock(&submission->relay->lock);
        lease_end(&submission->lease);
        end_upload(submission, status);
        pthread_mutex_unlock(&submission->relay->lock);
    } else if (!submission->begun) {
        relay_fail(submission, STATUS_INVALID_ARGUMENT, "a summary needs a header; send it first");
    }
}

static void submit_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct relay_submission *submission = user;
    struct relay *relay = submission->relay;
    pthread_mutex_lock(&relay->lock);
    lease_end(&submission->lease);
    submission->answered = true;
    if (submission->upload)
        end_upload(submission, STATUS_CANCELLED);
    batch_detach(submission);
    if (submission->passage)
        passage_closed(submission->passage);
    pthread_mutex_unlock(&relay->lock);
    partial_release(&submission->members);
    memory_free(submission);
}

static const struct rpc_events submit_events = {
    .message = submit_message,
    .ended = submit_ended,
    .closed = submit_closed,
};

void relay_submit_summary(struct rpc_call *call, void *service)
{
    struct relay *relay = service;
    struct relay_submission *submission = memory_zalloc(sizeof *submission);
    if (!submission) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    submission->relay = relay;
    submission->call = call;
    pthread_mutex_lock(&relay->lock);
    lease_begin(&relay->leases, &submission->lease, call);
    pthread_mutex_unlock(&relay->lock);
    rpc_call_set_events(call, &submit_events, submission);
    rpc_call_receive(call);
}
