// A learner's summary from its announcement to the round.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include "experiment/coding.h"
#include <assert.h>
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
    case OFFER_STALE:
        return error_set(
            error, refuse(ret_reason, cohort_v1_Reason_REASON_STALE),
            "the summary starts from the model of round %u, more than max_staleness '%u' commits "
            "ago; wait for the next assignment, or raise max_staleness",
            header->round - 1, round_options(job->round)->max_staleness);
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
static struct coder coder_of(const struct job *job, uint32_t slot, uint32_t number)
{
    return experiment_coder(&job->experiment.options, &job->plan, job->model, slot, number,
                            job->current->values);
}

static enum status check_size(const struct job *job, const struct member *member,
                              const cohort_v1_SummaryHeader *header, cohort_v1_Reason *ret_reason,
                              struct error *error)
{
    bool empty = job_between_peers(job); // the values go to other learners
    size_t n = empty ? 0 : plan_summary_values(&job->plan);
    const struct coder coder = coder_of(job, member->slot, header->round);
    if (header->n_values != n || header->bytes != (empty ? 0 : coder_bytes(&coder)))
        return error_set(
            error, refuse(ret_reason, cohort_v1_Reason_REASON_WRONG_SIZE),
            "a summary of %llu values in %llu bytes, where this experiment's have %zu in %zu; send one of "
            "its model in its codec",
            (unsigned long long)header->n_values, (unsigned long long)header->bytes, n, coder_bytes(&coder));
    if (strcmp(header->codec, job->experiment.options.collaboration.codec.kind->name) != 0)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_INCOMPATIBLE),
                         "the summary's codec is '%s', the experiment's '%s'; use that", header->codec,
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
                         "a newer learner '%s' attends; give each learner a name of its own",
                         header->learner);
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
    if (job->slots[slot].upload && job->slots[slot].upload->call)
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
        .assigned_ns = job->slots[slot].assigned_ns,
        .begun_ns = trace_begin(),
        .begun_ms = clock_monotonic_ms(),
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

static void event_accepted(struct job *job, const struct job_upload *upload)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_accepted_tag;
    cohort_v1_SummaryAccepted *accepted = &event.event.summary_accepted;
    accepted->round = round_number(job->round); // that it counts in
    snprintf(accepted->learner, sizeof accepted->learner, "%s", upload->header.learner);
    accepted->weight = upload->report.weight;
    accepted->seconds = (double)(clock_monotonic_ns() - upload->assigned_ns) * 1e-9;
    accepted->staleness = upload->staleness;
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
    struct job_slot *slot = &job->slots[upload->slot];
    slot->report = upload->report;
    *job->stalled = '\0';
    if (!job_between_peers(job)) {
        slot->holds_round = upload->round - 1;
        slot->holds_incarnation = upload->header.incarnation;
    }
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

// ---- from the first byte to the last ----------------------------------------------------------------------

// A learner's second summary of a round is kept until the next one. It must not take the last room, which
// those need that bring the next round about.
static enum status hold_upload(const struct job *job, uint32_t slot, struct upload *upload,
                               struct error *error)
{
    if (round_slot(job->round, slot)->counted && !(upload_is_held(upload) && upload_leaves_room(upload)))
        return error_set(
            error, STATUS_RESOURCE_EXHAUSTED,
            "the buffer has no room for a second summary of the learner in round %u; try again in "
            "a moment, or raise limits.buffer in the coordinator's configuration",
            round_number(job->round));
    return upload_hold(upload, error);
}

// Without rounds in step a summary is kept apart until it is whole: a commit does not wait for it.
static enum status open_upload(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t slot,
                               bool in_place, struct upload **ret, struct error *error)
{
    const struct contribution from = job_contribution(job, slot, header->weight, 0);
    struct upload *upload = NULL;
    const struct coder coder = coder_of(job, slot, header->round);
    if (coder_is_identity(&coder) && in_place && !job->rules.continuous)
        TRY(upload_new_passing(&upload, job->ingest, &from, error));
    else if (coder_is_identity(&coder))
        TRY(upload_new(&upload, job->ingest, &from, error));
    else
        TRY(upload_new_coded(&upload, job->ingest, &from, &coder, version_ref(job->current), error));
    if (job->plan.around_model)
        upload_around(upload, job->current, job->plan.n_values);
    enum status status = job->rules.continuous ? hold_upload(job, slot, upload, error) : STATUS_OK;
    if (status == STATUS_OK)
        *ret = upload;
    else
        upload_free(upload);
    return status;
}

// Refused before any byte of it came.
static void refuse_stale(struct job *job, const cohort_v1_SummaryHeader *header, const char *message)
{
    const struct member *member = member_find(job->coordinator, header->learner);
    struct job_upload upload = {.job = job, .round = header->round, .header = *header};
    job->n_rejected++;
    event_rejected(job, &upload, cohort_v1_Reason_REASON_STALE, message);
    round_declined(job->round, member->slot, clock_monotonic_ms());
}

static enum status may_begin(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t *ret_slot,
                             cohort_v1_Reason *ret_reason, struct error *error)
{
    enum status status = job_check_summary(job, header, ret_slot, ret_reason, error);
    if (status != STATUS_OK && *ret_reason == cohort_v1_Reason_REASON_SUPERSEDED)
        make_way(job, header);
    if (status != STATUS_OK && *ret_reason == cohort_v1_Reason_REASON_STALE)
        refuse_stale(job, header, error->message);
    return status;
}

static void mark(struct job *job, struct job_upload *upload)
{
    struct member *member = job->slots[upload->slot].member;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_UPLOADING;
    member->peak_rss_bytes = upload->header.peak_rss_bytes;
    job->slots[upload->slot].upload = upload;
}

static enum status go_on_at(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t slot,
                            uint64_t offset, struct rpc_call *call, struct job_upload *ret,
                            cohort_v1_Reason *ret_reason, struct error *error)
{
    if (!job_kept_is_of(job, slot, header) || job_kept_bytes(job, slot) != offset)
        return error_set(error, refuse(ret_reason, cohort_v1_Reason_REASON_SUPERSEDED),
                         "nothing is kept here that goes on at byte %llu; offer the summary again",
                         (unsigned long long)offset);
    fill_upload(job, header, slot, call, ret);
    mark(job, ret);
    job_kept_resume(job, ret);
    return STATUS_OK;
}

enum status job_upload_begin(struct job *job, const cohort_v1_SummaryHeader *header, uint64_t offset,
                             bool in_place, struct rpc_call *call, struct job_upload *ret,
                             cohort_v1_Reason *ret_reason, struct error *error)
{
    uint32_t slot = 0;
    TRY(may_begin(job, header, &slot, ret_reason, error));
    if (offset)
        return go_on_at(job, header, slot, offset, call, ret, ret_reason, error);
    if (job->slots[slot].kept) { // it comes from its beginning: what there is may spoil the collection
        job_kept_give_up(job, slot);
        TRY(may_begin(job, header, &slot, ret_reason, error));
    }
    struct upload *upload = NULL;
    TRY(open_upload(job, header, slot, in_place, &upload, error));
    fill_upload(job, header, slot, call, ret);
    ret->upload = upload;
    mark(job, ret);
    round_upload_begun(job->round, slot, upload_is_held(upload), clock_monotonic_ms());
    return STATUS_OK;
}

bool job_upload_release(struct job_upload *upload)
{
    struct job_slot *slot = &upload->job->slots[upload->slot];
    if (upload->spool)
        slot->spooled_bytes = spool_received(upload->spool);
    upload->spool = spool_close(upload->spool);
    upload->hash = sha256_free(upload->hash);
    upload->job->bytes_up += upload_received(upload->upload);
    bool spoilt = upload_free(upload->upload);
    trace_end("ingest", upload->begun_ns, JOB_TRACK_SLOTS + upload->slot, upload->round);
    upload->upload = NULL;
    if (slot->upload == upload)
        slot->upload = NULL;
    return spoilt;
}

static void learner_is_ready(const struct job *job, uint32_t slot)
{
    if (job->slots[slot].member)
        job->slots[slot].member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
}

static enum round_whole reject_stale(struct job_upload *upload, struct error *error)
{
    struct job *job = upload->job;
    error_set(
        error, STATUS_FAILED_PRECONDITION,
        "the model that it starts from is '%u' commits old, more than max_staleness '%u'; raise that, or "
        "the period or buffer of the schedule",
        upload->staleness, round_options(job->round)->max_staleness);
    job_upload_release(upload);
    learner_is_ready(job, upload->slot);
    reject(job, upload, false, cohort_v1_Reason_REASON_STALE, error->message);
    return WHOLE_STALE;
}

// `parked_take` is what keeps it from now on.
static enum round_whole park(struct job_upload *upload, struct job_upload *parked_take)
{
    struct job_slot *slot = &upload->job->slots[upload->slot];
    *parked_take = *upload;
    parked_take->call = NULL;
    upload->upload = NULL;
    if (slot->upload == upload)
        slot->upload = NULL;
    slot->parked = parked_take;
    learner_is_ready(upload->job, upload->slot);
    return WHOLE_PARK;
}

struct contribution job_contribution(const struct job *job, uint32_t slot, uint64_t weight,
                                     uint32_t staleness)
{
    const struct choice *algorithm = &job->experiment.options.collaboration.algorithm;
    enum algorithm_stale stale = ((const struct algorithm_kind *)(const void *)algorithm->kind)->stale;
    double discount = round_discount(&job->rules, staleness);
    if (!job->rules.continuous || stale == STALE_STEPS_LESS)
        return (struct contribution){.source = slot, .weight = weight, .discount = discount};
    double parts = round((double)weight * JOB_SAMPLE_PARTS * discount);
    return (struct contribution){.source = slot,
                                 .weight = parts < 1                      ? 1
                                           : parts > REDUCTION_WEIGHT_MAX ? REDUCTION_WEIGHT_MAX
                                                                          : (uint64_t)parts,
                                 .discount = 1};
}

// The summary counts in the reduction under way, for as much as its staleness leaves it.
static void bind(struct job_upload *upload)
{
    const struct contribution from =
        job_contribution(upload->job, upload->slot, upload->report.weight, upload->staleness);
    if (upload->job->rules.continuous)
        upload_bind(upload->upload, &from);
}

enum round_whole job_upload_whole(struct job_upload *upload, struct error *error)
{
    struct job *job = upload->job;
    struct job_upload *room = job->rules.continuous ? memory_alloc(sizeof *room) : NULL;
    if (job->rules.continuous && !room) { // it may come again
        job_upload_end(upload, error_no_memory(error, sizeof *room), cohort_v1_Reason_REASON_UNSPECIFIED,
                       error);
        return WHOLE_VOID;
    }
    enum round_whole whole = round_upload_whole(job->round, upload->slot, upload->round, upload->attempt,
                                                &upload->staleness, clock_monotonic_ms());
    if (whole == WHOLE_PARK) {
        assert(room); // only where rounds are not in step
        return park(upload, room);
    }
    memory_free(room);
    if (whole == WHOLE_STALE)
        return reject_stale(upload, error);
    if (whole == WHOLE_FOLD)
        bind(upload);
    else
        job_upload_release(upload);
    return whole;
}

// ---- the end --------------------------------------------------------------------------------------------

cohort_v1_Reason job_upload_reason(const struct error *fault)
{
    switch (fault->status) {
    case STATUS_OK:
    case STATUS_ABORTED:
        return cohort_v1_Reason_REASON_UNSPECIFIED;
    case STATUS_OUT_OF_RANGE:
        return cohort_v1_Reason_REASON_OUT_OF_RANGE;
    case STATUS_DATA_LOSS:
        return cohort_v1_Reason_REASON_DAMAGED;
    case STATUS_FAILED_PRECONDITION:
        return cohort_v1_Reason_REASON_OVERSIZED_NORM;
    case STATUS_INVALID_ARGUMENT:
        return cohort_v1_Reason_REASON_NOT_FINITE;
    default: // memory or a disk that is full, or broken: that passes
        return cohort_v1_Reason_REASON_UNSPECIFIED;
    }
}

// Says what the coordinator's own fault is; nothing when it is the connection's.
static void note_fault(struct job *job, const struct job_upload *upload, const struct error *error)
{
    if (error->status != STATUS_RESOURCE_EXHAUSTED && error->status != STATUS_INTERNAL)
        return;
    snprintf(job->stalled, sizeof job->stalled, "%.255s", error->message);
    log_error("a summary cannot be kept; it is sent again", LOG_S("experiment", job->id),
              LOG_S("learner", upload->header.learner), LOG_S("error", error->message));
}

bool job_upload_end(struct job_upload *upload, enum status finished, cohort_v1_Reason reason,
                    const struct error *error)
{
    struct job *job = upload->job;
    bool counts = round_upload_counts(job->round, upload->slot, upload->round, upload->attempt);
    bool spoilt = job_upload_release(upload);
    if (!counts)
        return false;
    learner_is_ready(job, upload->slot);
    if (finished == STATUS_OK)
        accept(job, upload);
    else if (reason != cohort_v1_Reason_REASON_UNSPECIFIED)
        reject(job, upload, spoilt, reason, error->message);
    else {
        note_fault(job, upload, error);
        round_upload_broken(job->round, upload->slot, spoilt, clock_monotonic_ms());
    }
    return finished == STATUS_OK;
}

// ---- parked summaries -----------------------------------------------------------------------------------

static void run_admit(struct pool_job *pool_job)
{
    struct job_upload *upload = container_of(pool_job, struct job_upload, admit_job);
    struct coordinator *coordinator = upload->job->coordinator;
    struct error error = ERROR_INIT;
    enum status status = upload_finish(upload->upload, &error);
    pthread_mutex_lock(&coordinator->lock);
    job_upload_end(upload, status, job_upload_reason(&error), &error);
    pthread_mutex_unlock(&coordinator->lock);
    memory_free(upload);
}

void job_admit_parked(struct job *job, uint32_t slot, uint32_t staleness)
{
    struct job_upload *upload = job->slots[slot].parked;
    job->slots[slot].parked = NULL;
    upload->staleness = staleness;
    bind(upload);
    upload->admit_job.run = run_admit;
    pool_post(job->coordinator->pool, &upload->admit_job);
}

void job_drop_parked(struct job *job, uint32_t slot)
{
    struct job_upload *parked = job->slots[slot].parked;
    if (!parked)
        return;
    job_upload_release(parked);
    job->slots[slot].parked = memory_free(parked);
}
