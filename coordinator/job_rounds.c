// What the round machine asks of an experiment: to begin, to assign, to commit.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "experiment/coding.h"
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

static void begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct job *job = user;
    if (!job->rules.continuous)
        job_kept_forget(job);
    ingest_reset(job->ingest, job_contribution(job, 0, weight_unit, 0).weight);
    if (round_attempt(job->round) > 1)
        return;
    job_journal_slots(job);
    job->round_started_ns = clock_monotonic_ns();
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_round_started_tag;
    event.event.round_started.round = number;
    event.event.round_started.selected = n_selected;
    event.event.round_started.deadline_ms = round_options(job->round)->deadline_ms;
    events_add(job->events, &event);
}

static void note_assigned(struct job_slot *slot, const struct member *member, uint32_t number,
                          uint32_t attempt)
{
    slot->assigned_ns = clock_monotonic_ns();
    if (slot->assigned_round == number && slot->assigned_attempt == attempt)
        return;
    slot->assigned_to = member->incarnation;
    slot->assigned_round = number;
    slot->assigned_attempt = attempt;
}

static void copy_parts(const struct coded_parts *coded, uint8_t *ret)
{
    for (unsigned int i = 0; i < coded->n; i++) {
        memcpy(ret, coded->parts[i]->bytes, coded->parts[i]->n_bytes);
        ret += coded->parts[i]->n_bytes;
    }
}

static void describe_parts(const struct coded_parts *coded, cohort_v1_Assignment *ret)
{
    if (coded->n == 0)
        return;
    ret->model_coded = true;
    ret->model_differences = coded->parts[0]->differs ? coded->n : 0;
    snprintf(ret->model_base, sizeof ret->model_base, "%s", coded->parts[0]->base);
}

// What of the model goes into the assignment, where it is small and its learner takes it so; else it is
// fetched. Which model the learner has to which differences could be added is a guess: it fetches what does
// not fit. The bytes; 0: none.
static size_t describe_small_model(struct job *job, uint32_t slot, cohort_v1_Assignment *ret,
                                   struct coded_parts *ret_coded)
{
    const struct member *member = job->slots[slot].member;
    bool holds = job->slots[slot].holds_incarnation == member->incarnation;
    const struct coded_parts coded =
        downlink_find(&job->downlink, ret->model_round, job->slots[slot].holds_round, holds ? NULL : "");
    size_t bytes = coded.n ? coded.bytes : job->current->n_shared * sizeof(float);
    if (ret->attempt > 1 || job->current->round != ret->model_round || job_between_peers(job) ||
        bytes > member->model_bytes || bytes > SMALL_BYTES_MAX)
        return 0;
    describe_parts(&coded, ret);
    *ret_coded = coded;
    return bytes;
}

static pb_bytes_array_t *copy_small_model(const struct job *job, const struct coded_parts *coded,
                                          size_t bytes)
{
    pb_bytes_array_t *copy = memory_alloc(PB_BYTES_ARRAY_T_ALLOCSIZE(bytes));
    if (!copy)
        return NULL;
    copy->size = (pb_size_t)bytes;
    if (coded->n)
        copy_parts(coded, copy->bytes);
    else
        memcpy(copy->bytes, job->current->values, bytes);
    return copy;
}

// Where the model lies, for a learner's process that reads it from there, once; by the time that another one
// may lie there its assignment is void, and the model's id tells.
static void add_place(struct job *job, uint32_t slot, cohort_v1_Assignment *ret)
{
    const struct member *member = job->slots[slot].member;
    const struct version *current = job->current;
    size_t bytes = current->n_shared * sizeof(float);
    if (!member->cross || job_between_peers(job))
        return;
    ret->place_bytes = CROSS_PLACE_BYTES;
    if (ret->attempt > 1 || current->round != ret->model_round || bytes > CROSS_PLACE_BYTES ||
        bytes <= SMALL_BYTES_MAX || !member->model_bytes ||
        !experiment_sends_models(&job->experiment.options))
        return;
    // All learners of a process are told, as it is not known whose assignment it hears first; it reads once.
    if (cross_peer_give(member->cross, job->id, current->round, current->id))
        job->bytes_down += bytes;
    ret->has_model_place = true;
    ret->model_place = cross_place(0, current->values, bytes);
}

// Whether another learner was told the same a moment ago: a model's id, and what it is coded from, tell its
// bytes. Else notes what this one is told.
static bool was_told(struct job *job, const cohort_v1_AttendResponse *message, size_t model_bytes)
{
    uint8_t words[JOB_ASSIGNMENT_BYTES];
    pb_ostream_t stream = pb_ostream_from_buffer(words, sizeof words);
    size_t n = pb_encode(&stream, cohort_v1_AttendResponse_fields, message) ? stream.bytes_written : 0;
    if (job->assignment && n && n == job->n_assignment_words && model_bytes == job->assignment_model_bytes &&
        memcmp(words, job->assignment_words, n) == 0)
        return true;
    memcpy(job->assignment_words, words, n);
    job->n_assignment_words = n;
    job->assignment_model_bytes = model_bytes;
    job->assignment = rpc_encoded_free(job->assignment);
    return false;
}

// With its model, where that goes with it; NULL when there is no memory.
static struct rpc_encoded *encode(const struct job *job, cohort_v1_AttendResponse *message,
                                  const struct coded_parts *coded, size_t model_bytes)
{
    struct rpc_encoded *encoded = NULL;
    cohort_v1_Assignment *assignment = &message->event.assignment;
    if (model_bytes && !(assignment->model = copy_small_model(job, coded, model_bytes)))
        return NULL;
    rpc_encoded_new(&encoded, cohort_v1_AttendResponse_fields, message, NULL);
    assignment->model = memory_free(assignment->model);
    return encoded;
}

static void send_assignment(struct job *job, struct member *member, cohort_v1_AttendResponse *message,
                            const struct coded_parts *coded, size_t model_bytes)
{
    if (!was_told(job, message, model_bytes))
        job->assignment = encode(job, message, coded, model_bytes);
    if (job->assignment) {
        job->bytes_down += model_bytes;
        member_send_shared(member, job->assignment);
    } else { // its model is to be fetched
        member_send(member, message);
    }
}

static void assign(void *user, uint32_t slot, uint32_t number, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms)
{
    struct job *job = user;
    struct member *member = job->slots[slot].member;
    cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
    message.which_event = cohort_v1_AttendResponse_assignment_tag;
    cohort_v1_Assignment *assignment = &message.event.assignment;
    snprintf(assignment->experiment_id, sizeof assignment->experiment_id, "%s", job->id);
    assignment->round = number;
    assignment->attempt = attempt;
    assignment->weight_unit = weight_unit;
    assignment->deadline_ms = left_ms;
    assignment->summary_values = plan_summary_values(&job->plan);
    assignment->model_round = number - 1;
    if (job->current->round == number - 1) { // else its learner came back for one from before
        memcpy(job->slots[slot].model_id, job->current->id, sizeof job->current->id);
        note_assigned(&job->slots[slot], member, number, attempt);
    }
    memcpy(assignment->model_id, job->slots[slot].model_id, sizeof assignment->model_id);
    cohort_v1_Peer sources[JOB_SOURCES_MAX];
    if (job_between_peers(job))
        job_peers_sources(job, slot, sources, assignment);
    member->state = cohort_v1_LearnerState_LEARNER_STATE_TRAINING;
    member->n_assigned++;
    assignment->summary_bytes = SMALL_BYTES_MAX;
    assignment->summary_received = job_kept_bytes(job, slot);
    add_place(job, slot, assignment);
    struct coded_parts coded = {0};
    size_t bytes = assignment->has_model_place ? 0 : describe_small_model(job, slot, assignment, &coded);
    send_assignment(job, member, &message, &coded, bytes);
}

static void withdraw(void *user, uint32_t slot, uint32_t number)
{
    struct job *job = user;
    struct member *member = job->slots[slot].member;
    if (!member)
        return;
    cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
    message.which_event = cohort_v1_AttendResponse_withdraw_tag;
    snprintf(message.event.withdraw.experiment_id, sizeof message.event.withdraw.experiment_id, "%s",
             job->id);
    message.event.withdraw.round = number;
    message.event.withdraw.reason = cohort_v1_Reason_REASON_WRONG_ROUND;
    snprintf(message.event.withdraw.message, sizeof message.event.withdraw.message,
             "the round goes on without it");
    member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    member_send(member, &message);
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    job_admit_parked(user, slot, staleness);
}

static void commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct job *job = user;
    (void)number;
    job->n_committed_summaries = n_summaries;
    if (!job->rules.continuous)
        job_kept_forget(job);
    if (job_between_peers(job))
        job_peers_start(job);
    else
        job_start_commit(job);
}

static void evaluate_model(void *user, uint32_t number)
{
    (void)number;
    job_start_evaluate(user);
}

static void changed(void *user, enum round_phase phase)
{
    struct job *job = user;
    if (phase == ROUND_DONE)
        job_end(job, round_outcome(job->round), NULL);
    else if (phase != ROUND_COMMITTING && phase != ROUND_EVALUATING)
        job_event_state(job);
}

static void wake_at(void *user, int64_t at_ms)
{
    struct job *job = user;
    job->wake_at_ms = at_ms;
    if (at_ms != INT64_MAX)
        coordinator_wake_timer(job->coordinator);
}

static const struct round_operations operations = {
    .begin = begin,
    .assign = assign,
    .withdraw = withdraw,
    .admit = admit,
    .commit = commit,
    .evaluate = evaluate_model,
    .changed = changed,
    .wake_at = wake_at,
};

struct round *job_make_round(struct job *job)
{
    const struct experiment_options *options = &job->experiment.options;
    const struct collaboration_options *collaboration = &options->collaboration;
    const struct round_options round = {
        .seed = (uint64_t)options->seed,
        .rounds = (uint32_t)collaboration->rounds,
        .n_learners = job->n_slots,
        .start_with = (uint32_t)collaboration->participation.start_with,
        .minimum = (uint32_t)collaboration->participation.minimum,
        .fraction = collaboration->participation.fraction,
        .over_selection = collaboration->participation.over_selection,
        .deadline_ms = job->rules.period_ms ? job->rules.period_ms : collaboration->participation.deadline_ms,
        .copies = job_between_peers(job) ? PEER_COPIES : 0,
        .evaluation_decides = collaboration->has_stop || options->evaluation.holdout > 0,
        .continuous = job->rules.continuous,
        .target = job->rules.target,
        .refills = job->rules.refills,
        .max_staleness = job->rules.max_staleness,
    };
    return round_new(&round, &operations, job);
}
