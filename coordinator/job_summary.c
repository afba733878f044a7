// A learner's summary from its announcement to the round.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include "experiment/coding.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum status refuse(cohort_v1_Reason *ret_reason, cohort_v1_Reason reason)
{
    *ret_reason = reason;
    return STATUS_FAILED_PRECONDITION;
}

static enum status check_round(const struct job *job, const cohort_v1_SummaryHeader *header, uint32_t slot,
                               cohort_v1_Reason *ret_reason, struct error *error)
{
    switch (round_offer(job->round, slot, header->round, header->attempt, clock_monotonic_ms())) {
    case OFFER_TAKE:
        return STATUS_OK;
    case OFFER_HAVE:
        return error_set(error, STATUS_ALREADY_EXISTS, "the summary of round %u is safe already",
                         header->round);
    case OFFER_BUSY:
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_SUPERSEDED),
                         "an upload of learner '%s' for round %u has not ended yet; try again in a moment",
                         header->learner, header->round);
    case OFFER_SUPERSEDED:
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_SUPERSEDED),
                         "round %u is collected anew, attempt %u; wait for its assignment", header->round,
                         round_attempt(job->round));
    case OFFER_LATE:
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_ROUND),
                         "round %u is past its deadline and commits without it; wait for the next assignment",
                         header->round);
    case OFFER_NOT_SELECTED:
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_NOT_SELECTED),
                         "learner '%s' has no assignment in round %u", header->learner, header->round);
    default:
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_ROUND),
                         "round %u is not being collected; wait for the next assignment", header->round);
    }
}

// Of the slot's summary in the round that is collected.
static struct coder coder_of(const struct job *job, uint32_t slot)
{
    return experiment_coder(&job->experiment.options, &job->plan, job->model, slot, round_number(job->round),
                            job->current->values);
}

static enum status check_size(const struct job *job, const struct member *member,
                              const cohort_v1_SummaryHeader *header, cohort_v1_Reason *ret_reason,
                              struct error *error)
{
    bool empty = job_between_peers(job); // the values go to other learners
    size_t n = empty ? 0 : plan_summary_values(&job->plan);
    const struct coder coder = coder_of(job, member->slot);
    if (header->n_values != n || header->bytes != (empty ? 0 : coder_bytes(&coder)))
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_SIZE),
                         "a summary of %llu values in %llu bytes; this experiment's have %zu in %zu",
                         (unsigned long long)header->n_values, (unsigned long long)header->bytes, n,
                         coder_bytes(&coder));
    if (strcmp(header->codec, job->experiment.options.collaboration.codec.kind->name) != 0)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_INCOMPATIBLE),
                         "codec '%s'; this experiment uses '%s'", header->codec,
                         job->experiment.options.collaboration.codec.kind->name);
    enum weighting weighting = (enum weighting)job->experiment.options.collaboration.weighting;
    if (weighting_check(weighting, header->weight, member->data.n_samples, error) != STATUS_OK)
        return refuse(ret_reason, cohort_v1_Reason_REASON_OUT_OF_RANGE);
    return STATUS_OK;
}

enum status job_check_summary(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t *ret_slot,
                              cohort_v1_Reason *ret_reason, struct error *error)
{
    struct member *member = member_find(job->coordinator, header->learner);
    if (!member || member->job != job || !member->has_data)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_UNKNOWN_LEARNER),
                         "learner '%s' does not attend experiment '%s'; join first", header->learner,
                         job->id);
    if (member->incarnation != header->incarnation)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_SUPERSEDED),
                         "a newer learner '%s' attends", header->learner);
    TRY(check_round(job, header, member->slot, ret_reason, error));
    TRY(check_size(job, member, header, ret_reason, error));
    *ret_slot = member->slot;
    return STATUS_OK;
}

static double metric_of(const cohort_v1_SummaryHeader *header, const char *name)
{
    for (pb_size_t i = 0; i < header->metrics_count; i++)
        if (strcmp(header->metrics[i].name, name) == 0)
            return header->metrics[i].value;
    return NAN;
}

void job_upload_cancel(struct job *job, uint32_t slot)
{
    if (job->slots[slot].upload)
        rpc_call_cancel(job->slots[slot].upload->call);
    if (job->slots[slot].partial)
        rpc_call_cancel(job->slots[slot].partial->call);
}

// What the learner sends while an older upload of its own hangs: that one is given up.
static void make_way(struct job *job, const cohort_v1_SummaryHeader *header)
{
    const struct member *member = member_find(job->coordinator, header->learner);
    if (member->incarnation == header->incarnation &&
        round_offer(job->round, member->slot, header->round, header->attempt, clock_monotonic_ms()) ==
            OFFER_BUSY)
        job_upload_cancel(job, member->slot);
}

static void fill_upload(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t slot,
                        struct rpc_call *call, struct job_upload *ret)
{
    *ret = (struct job_upload){
        .job = job,
        .call = call,
        .slot = slot,
        .round = header->round,
        .attempt = header->attempt,
        .bytes = header->bytes,
        .header = *header,
        .report = {.weight = header->weight,
                   .train_loss = metric_of(header, "train_loss"),
                   .train_accuracy = metric_of(header, "train_accuracy"),
                   .parameter_distance = metric_of(header, metric_words[METRIC_PARAMETER_DISTANCE])},
    };
    for (pb_size_t i = 0; i < ret->header.metrics_count; i++)
        text_clean(ret->header.metrics[i].name);
}

enum status job_upload_begin(struct job *job, const cohort_v1_SummaryHeader *header, struct rpc_call *call,
                             struct job_upload *ret, cohort_v1_Reason *ret_reason, struct error *error)
{
    uint32_t slot = 0;
    enum status status = job_check_summary(job, header, &slot, ret_reason, error);
    if (status != STATUS_OK) {
        if (*ret_reason == cohort_v1_Reason_REASON_SUPERSEDED)
            make_way(job, header);
        return status;
    }
    struct upload *upload = NULL;
    const struct contribution from = {.source = slot, .weight = header->weight, .discount = 1};
    const struct coder coder = coder_of(job, slot);
    if (coder_is_identity(&coder))
        TRY(upload_new(&upload, job->ingest, &from, error));
    else
        TRY(upload_new_coded(&upload, job->ingest, &from, &coder, version_ref(job->current), error));
    if (job->plan.around_model)
        upload_around(upload, job->current, job->plan.n_values);
    fill_upload(job, header, slot, call, ret);
    ret->upload = upload;
    struct member *member = job->slots[slot].member;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_UPLOADING;
    member->peak_rss_bytes = header->peak_rss_bytes;
    job->slots[slot].upload = ret;
    round_upload_begun(job->round, slot, clock_monotonic_ms());
    return STATUS_OK;
}

static void event_accepted(struct job *job, const struct job_upload *upload)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_accepted_tag;
    cohort_v1_SummaryAccepted *accepted = &event.event.summary_accepted;
    accepted->round = upload->round;
    snprintf(accepted->learner, sizeof accepted->learner, "%s", upload->header.learner);
    accepted->weight = upload->report.weight;
    accepted->seconds = (double)(clock_monotonic_ns() - job->slots[upload->slot].assigned_ns) * 1e-9;
    accepted->train_seconds = upload->header.train_seconds;
    accepted->fetch_seconds = upload->header.fetch_seconds;
    accepted->metrics_count = upload->header.metrics_count;
    memcpy(accepted->metrics, upload->header.metrics, sizeof accepted->metrics);
    events_add(job->events, &event);
}

static void event_rejected(struct job *job, const struct job_upload *upload, cohort_v1_Reason reason,
                           const char *message)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_rejected_tag;
    cohort_v1_SummaryRejected *rejected = &event.event.summary_rejected;
    rejected->round = upload->round;
    rejected->reason = reason;
    snprintf(rejected->learner, sizeof rejected->learner, "%s", upload->header.learner);
    snprintf(rejected->message, sizeof rejected->message, "%s", message);
    text_clean(rejected->message);
    events_add(job->events, &event);
}

static void accept(struct job *job, struct job_upload *upload)
{
    job->slots[upload->slot].report = upload->report;
    event_accepted(job, upload);
    round_submitted(job->round, upload->slot, clock_monotonic_ms());
}

static void reject(struct job *job, const struct job_upload *upload, bool spoilt, cohort_v1_Reason reason,
                   const char *message)
{
    job->n_rejected++;
    event_rejected(job, upload, reason, message);
    round_rejected(job->round, upload->slot, spoilt, clock_monotonic_ms());
}

bool job_upload_end(struct job_upload *upload, enum status finished, cohort_v1_Reason reason,
                    const struct error *error)
{
    struct job *job = upload->job;
    struct job_slot *slot = &job->slots[upload->slot];
    bool counts = round_upload_counts(job->round, upload->slot, upload->round, upload->attempt);
    job->bytes_up += upload_received(upload->upload);
    bool spoilt = upload_free(upload->upload);
    upload->upload = NULL;
    if (slot->upload == upload)
        slot->upload = NULL;
    if (!counts)
        return false;
    if (slot->member)
        slot->member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    if (finished == STATUS_OK)
        accept(job, upload);
    else if (reason != cohort_v1_Reason_REASON_UNSPECIFIED)
        reject(job, upload, spoilt, reason, error->message);
    else
        round_upload_broken(job->round, upload->slot, spoilt, clock_monotonic_ms());
    return finished == STATUS_OK;
}
