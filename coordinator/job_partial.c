// A relay's partial sum, from its announcement to the round: every learner in it is checked as if it had come
// by itself, and all of them count, or none. A relay that hears no asks its learners for their summaries one
// by one, so that each is judged alone.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum status refuse(cohort_v1_Reason *ret_reason, cohort_v1_Reason reason)
{
    *ret_reason = reason;
    return STATUS_FAILED_PRECONDITION;
}

// ---- the check ------------------------------------------------------------------------------------------

static enum status check_header(const struct job *job, const cohort_v1_SummaryHeader *header,
                                const struct partial *members, cohort_v1_Reason *ret_reason,
                                struct error *error)
{
    const struct choice *choice = &job->experiment.options.collaboration.reducer;
    const struct reducer_kind *reducer = (const struct reducer_kind *)(const void *)choice->kind;
    size_t n = plan_summary_values(&job->plan);
    uint64_t weight = 0;
    if (!job->ingest)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_STATE),
                         "experiment '%s' collects no summaries now", job->id);
    if (job->experiment.options.collaboration.max_norm > 0)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_INCOMPATIBLE),
                         "a sum does not show how far its summaries lie from the model, which max_norm "
                         "bounds; pass them on one by one");
    if (!reducer->sums)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_INCOMPATIBLE),
                         "reducer '%s' takes no partial sums; pass the summaries on one by one",
                         reducer->kind.name);
    if (job->rules.continuous)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_INCOMPATIBLE),
                         "schedule '%s' takes no partial sums; pass the summaries on one by one",
                         job->experiment.options.collaboration.schedule.kind->name);
    if (header->n_values != n || header->bytes != n * sizeof(int64_t))
        return error_set(
            error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_SIZE),
            "a partial sum of %llu values in %llu bytes; this experiment's have %zu, 8 bytes each",
            (unsigned long long)header->n_values, (unsigned long long)header->bytes, n);
    if (members->n == 0 || members->failed || !partial_weigh(members, &weight) || weight != header->weight)
        return error_set(
            error, refuse(ret_reason, cohort_v1_Reason_REASON_OUT_OF_RANGE),
            "a partial sum of %zu learners: it must name each once, and its weight must be theirs",
            members->n);
    return STATUS_OK;
}

// The slot that the learner holds, here or not: what it sent before its connection broke is as good.
static struct job_slot *find_slot(struct job *job, const cohort_v1_SummaryMember *listed,
                                  const struct member **ret_member)
{
    const struct member *member = member_find(job->coordinator, listed->learner);
    if (!member || member_claim(member) != job || !member->has_data)
        return NULL;
    struct job_slot *slot = &job->slots[member->claimed_slot];
    *ret_member = member;
    return listed->incarnation == member->incarnation || listed->incarnation == slot->assigned_to ? slot
                                                                                                  : NULL;
}

static enum status check_member(struct job *job, const cohort_v1_SummaryHeader *header,
                                const cohort_v1_SummaryMember *listed, uint32_t *ret_slot, int64_t now_ms,
                                enum round_offer *ret_offer, struct error *error)
{
    const struct member *member = NULL;
    struct job_slot *slot = find_slot(job, listed, &member);
    if (!slot)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "learner '%s' of the sum does not attend experiment '%s', or a newer one does",
                         listed->learner, job->id);
    *ret_slot = (uint32_t)(slot - job->slots);
    *ret_offer = round_offer(job->round, *ret_slot, header->round, header->attempt, now_ms);
    if (*ret_offer != OFFER_TAKE && *ret_offer != OFFER_HAVE && *ret_offer != OFFER_BUSY)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "learner '%s' of the sum is not awaited in round %u, attempt %u", listed->learner,
                         header->round, header->attempt);
    enum weighting weighting = (enum weighting)job->experiment.options.collaboration.weighting;
    if (weighting_check(weighting, listed->weight, member->data.n_samples, error) != STATUS_OK)
        return error_prefix(error, "learner '%s' of the sum", listed->learner);
    return STATUS_OK;
}

// ALREADY_EXISTS when all are counted.
static enum status check_members(struct job *job, const cohort_v1_SummaryHeader *header,
                                 const struct partial *members, uint32_t *slots, int64_t now_ms,
                                 cohort_v1_Reason *ret_reason, struct error *error)
{
    size_t n_counted = 0;
    *ret_reason = cohort_v1_Reason_REASON_SUPERSEDED;
    for (size_t i = 0; i < members->n; i++) {
        enum round_offer offer = OFFER_TAKE;
        TRY(check_member(job, header, &members->members[i], &slots[i], now_ms, &offer, error));
        if (job->slots[slots[i]].kept) { // it comes through the relay now
            job_kept_give_up(job, slots[i]);
            TRY(check_member(job, header, &members->members[i], &slots[i], now_ms, &offer, error));
        }
        if (offer == OFFER_BUSY) { // the relay has given it up, and its end is not seen yet
            job_upload_cancel(job, slots[i]);
            return error_set(error, STATUS_FAILED_PRECONDITION,
                             "an upload of learner '%s' has not ended yet; try again in a moment",
                             members->members[i].learner);
        }
        n_counted += offer == OFFER_HAVE;
    }
    if (n_counted == members->n)
        return error_set(error, STATUS_ALREADY_EXISTS, "the summaries of round %u are safe already",
                         header->round);
    if (n_counted)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "%zu of the sum's %zu learners are counted already; send the others by themselves",
                         n_counted, members->n);
    *ret_reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    return STATUS_OK;
}

// ---- the upload -----------------------------------------------------------------------------------------

static void release(struct job_partial *partial)
{
    partial_release(&partial->members);
    partial->slots = memory_free(partial->slots);
}

static void mark_begun(struct job_partial *partial, int64_t now_ms)
{
    struct job *job = partial->job;
    for (size_t i = 0; i < partial->members.n; i++) {
        struct job_slot *slot = &job->slots[partial->slots[i]];
        slot->partial = partial;
        if (slot->member) {
            slot->member->state = cohort_v1_LearnerState_LEARNER_STATE_UPLOADING;
            slot->member->peak_rss_bytes = partial->members.members[i].peak_rss_bytes;
        }
        round_upload_begun(job->round, partial->slots[i], false, now_ms); // all of them count, or none
    }
}

static enum status begin(struct job_partial *partial, const cohort_v1_SummaryHeader *header, int64_t now_ms,
                         cohort_v1_Reason *ret_reason, struct error *error)
{
    struct job *job = partial->job;
    const struct contribution from = {.weight = header->weight, .discount = 1};
    TRY(check_header(job, header, &partial->members, ret_reason, error));
    partial->slots = memory_array(partial->members.n, sizeof *partial->slots);
    if (!partial->slots)
        return error_no_memory(error, partial->members.n * sizeof *partial->slots);
    TRY(check_members(job, header, &partial->members, partial->slots, now_ms, ret_reason, error));
    return upload_new_sums(&partial->upload, job->ingest, &from, (uint32_t)partial->members.n, error);
}

enum status job_partial_begin(struct job *job, const cohort_v1_SummaryHeader *header, struct partial *members,
                              struct rpc_call *call, struct job_partial *ret, cohort_v1_Reason *ret_reason,
                              struct error *error)
{
    *ret = (struct job_partial){
        .job = job, .call = call, .members = *members, .round = header->round, .attempt = header->attempt};
    *members = PARTIAL_INIT;
    int64_t now_ms = clock_monotonic_ms();
    enum status status = begin(ret, header, now_ms, ret_reason, error);
    if (status != STATUS_OK)
        release(ret);
    else
        mark_begun(ret, now_ms);
    return status;
}

static double metric_of(const cohort_v1_SummaryMember *member, const char *name)
{
    for (pb_size_t i = 0; i < member->metrics_count; i++)
        if (strcmp(member->metrics[i].name, name) == 0)
            return member->metrics[i].value;
    return (double)NAN;
}

static void event_accepted(struct job *job, uint32_t number, uint32_t slot,
                           const cohort_v1_SummaryMember *member)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_accepted_tag;
    cohort_v1_SummaryAccepted *accepted = &event.event.summary_accepted;
    accepted->round = number;
    snprintf(accepted->learner, sizeof accepted->learner, "%s", member->learner);
    accepted->weight = member->weight;
    accepted->seconds = (double)(clock_monotonic_ns() - job->slots[slot].assigned_ns) * 1e-9;
    accepted->train_seconds = member->train_seconds;
    accepted->fetch_seconds = member->fetch_seconds;
    accepted->metrics_count = member->metrics_count;
    memcpy(accepted->metrics, member->metrics, sizeof accepted->metrics);
    for (pb_size_t i = 0; i < accepted->metrics_count; i++)
        text_clean(accepted->metrics[i].name);
    events_add(job->events, &event);
}

static void accept(struct job_partial *partial, size_t i)
{
    struct job *job = partial->job;
    const cohort_v1_SummaryMember *member = &partial->members.members[i];
    uint32_t slot = partial->slots[i];
    job->slots[slot].report = (struct slot_report){
        .weight = member->weight,
        .train_loss = metric_of(member, "train_loss"),
        .train_accuracy = metric_of(member, "train_accuracy"),
        .parameter_distance = metric_of(member, metric_words[METRIC_PARAMETER_DISTANCE]),
    };
    event_accepted(job, partial->round, slot, member);
    round_submitted(job->round, slot, clock_monotonic_ms());
}

static void event_rejected(struct job *job, uint32_t number, const char *learner, cohort_v1_Reason reason,
                           const char *message)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_rejected_tag;
    cohort_v1_SummaryRejected *rejected = &event.event.summary_rejected;
    rejected->round = number;
    rejected->reason = reason;
    snprintf(rejected->learner, sizeof rejected->learner, "%s", learner);
    snprintf(rejected->message, sizeof rejected->message, "%s", message);
    text_clean(rejected->message);
    events_add(job->events, &event);
}

static void end_member(struct job_partial *partial, size_t i, enum status finished, bool spoilt)
{
    struct job *job = partial->job;
    uint32_t slot = partial->slots[i];
    if (!round_upload_counts(job->round, slot, partial->round, partial->attempt))
        return;
    if (job->slots[slot].member)
        job->slots[slot].member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    if (finished == STATUS_OK)
        accept(partial, i);
    else // nobody knows whose fault it is: those in the sum are asked again
        round_upload_broken(job->round, slot, spoilt, clock_monotonic_ms());
}

static void reject_all(const struct job_partial *partial, cohort_v1_Reason reason, const struct error *error)
{
    for (size_t i = 0; i < partial->members.n; i++) {
        if (!round_upload_counts(partial->job->round, partial->slots[i], partial->round, partial->attempt))
            continue;
        partial->job->n_rejected++;
        event_rejected(partial->job, partial->round, partial->members.members[i].learner, reason,
                       error->message);
    }
}

static bool all_count(const struct job_partial *partial)
{
    bool count = true;
    for (size_t i = 0; i < partial->members.n; i++)
        count &=
            round_upload_counts(partial->job->round, partial->slots[i], partial->round, partial->attempt);
    return count;
}

bool job_partial_end(struct job_partial *partial, enum status finished, cohort_v1_Reason reason,
                     const struct error *error)
{
    struct job *job = partial->job;
    bool counts = finished == STATUS_OK && all_count(partial);
    job->bytes_up += upload_received(partial->upload);
    bool spoilt = upload_free(partial->upload);
    partial->upload = NULL;
    if (finished != STATUS_OK && reason != cohort_v1_Reason_REASON_UNSPECIFIED)
        reject_all(partial, reason, error);
    for (size_t i = 0; i < partial->members.n; i++)
        if (job->slots[partial->slots[i]].partial == partial)
            job->slots[partial->slots[i]].partial = NULL;
    for (size_t i = 0; i < partial->members.n; i++)
        end_member(partial, i, finished, spoilt);
    release(partial);
    return counts;
}
