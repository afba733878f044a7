// A round at the learner: fetch the model, train, keep the summary, submit it.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "experiment/coding.h"
#include "learner/host.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- training, in the pool ------------------------------------------------------------------------------

struct stop_watch {
    struct learner *learner;
    unsigned long generation;
};

static bool is_void(void *user)
{
    const struct stop_watch *watch = user;
    return atomic_load_explicit(&watch->learner->generation, memory_order_relaxed) != watch->generation;
}

struct learner_step learner_step_of(const struct learner *learner, uint32_t round)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    return (struct learner_step){
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .plan = &learner->variant->plan,
        .model = learner->variant->model,
        .part = &learner->part,
        .probe = learner->study->has_probe ? &learner->study->probe : NULL,
        .seed = (uint64_t)options->seed,
        .learner = learner->index,
        .n_learners = learner->n_learners,
        .round = round,
        .rounds = (uint32_t)options->collaboration.rounds,
        .shared = learner_is_in_place(learner) ? NULL : learner->shared,
        .own = learner->own,
    };
}

// What the learner keeps from round to round is made in its first one.
void learner_begin_own(struct learner *learner, const struct learner_step *step)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    if (!learner->own_begun && algorithm->begin_own)
        algorithm->begin_own(step, learner->own);
    learner->own_begun = true;
}

// What the first vector of a summary starts from: the round's model, or NULL where it starts from zero.
static const float *reference_of(const struct learner *learner)
{
    if (!learner->study->plan.around_model)
        return NULL;
    return learner_is_in_place(learner) ? learner->reference : learner->shared;
}

static bool wants_distance(const struct learner *learner)
{
    const struct collaboration_options *options = &learner->study->experiment.options.collaboration;
    return options->has_stop && options->stop.metric == METRIC_PARAMETER_DISTANCE &&
           !learner_between_peers(learner) && // there it is measured in the exchange
           learner->study->plan.shares != SHARES_VALUES;
}

// ||parameters - model|| / ||model||, over what of the parameters is shared.
static double distance(const struct learner *learner)
{
    const float *model = learner_is_in_place(learner) ? learner->reference : learner->shared;
    double change = 0, norm = 0;
    for (size_t i = 0; i < learner->study->plan.n_values; i++) {
        double difference = (double)learner->parameters[i] - (double)model[i];
        change += difference * difference;
        norm += (double)model[i] * (double)model[i];
    }
    return norm > 0 ? sqrt(change / norm) : (double)NAN;
}

static enum status keep_result(struct learner *learner, const struct learner_result *result,
                               struct error *error)
{
    enum weighting weighting = (enum weighting)learner->study->experiment.options.collaboration.weighting;
    learner->result.train_loss = result->train_loss;
    learner->result.train_accuracy = result->train_accuracy;
    learner->result.parameter_distance = wants_distance(learner) ? distance(learner) : (double)NAN;
    return weighting_of(weighting, result->weight, result->train_loss, &learner->result.weight, error);
}

static enum status train(struct learner *learner, const cohort_v1_Assignment *assignment,
                         struct stop_watch *watch, struct error *error)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    struct learner_step step = learner_step_of(learner, assignment->round);
    struct learner_result result = {0};
    int64_t started_ns = clock_monotonic_ns();
    learner_begin_own(learner, &step);
    step.parameters = learner->parameters;
    step.summary = learner->summary;
    step.stop = is_void;
    step.user = watch;
    if (!algorithm->trains_nothing)
        TRY(study_take_trainer(learner->study, learner->variant, &step.trainer, error));
    if (learner->reference)
        memcpy(learner->reference, learner->shared, step.plan->n_values * sizeof(float));
    enum status status = pretended_learn(learner, &step, reference_of(learner), &result, error);
    if (step.trainer)
        study_give_trainer(learner->study, learner->variant, step.trainer);
    learner_trace(learner, "train", started_ns, assignment->round);
    int64_t encode_ns = trace_begin();
    if (status == STATUS_OK)
        status = learner_encode(learner, assignment->round, error);
    learner_trace(learner, "encode", encode_ns, assignment->round);
    learner->result.train_seconds = (double)(clock_monotonic_ns() - started_ns) * 1e-9;
    return status == STATUS_OK ? keep_result(learner, &result, error) : status;
}

void learner_decline(struct learner *learner, const char *message)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_decline_tag;
    cohort_v1_Decline *decline = &request.event.decline;
    snprintf(decline->experiment_id, sizeof decline->experiment_id, "%s", learner->assignment.experiment_id);
    snprintf(decline->message, sizeof decline->message, "%.500s", message);
    decline->round = learner->assignment.round;
    log_warn("cannot serve the round", LOG_S("learner", learner->name), LOG_I("round", decline->round),
             LOG_S("error", message));
    learner->assigned = false;
    learner_send(learner, &request);
}

static void trained(struct learner *learner, enum status status, const struct error *error, bool valid)
{
    learner->activity = ACTIVITY_NONE;
    if (status == STATUS_OK && valid) {
        learner->kept_round = learner->round;
        learner->tally.n_trained++;
        learner->tally.train_seconds += learner->result.train_seconds;
        learner->tally.fetch_seconds += learner->result.fetch_seconds;
        int64_t wait_ms = pretended_wait_ms(learner, learner->round);
        if (wait_ms)
            learner_pause(learner, wait_ms);
    } else if (valid && status != STATUS_CANCELLED) {
        learner_decline(learner, error->message);
    }
    learner_go_on(learner);
}

static void run_train(struct pool_job *job)
{
    struct learner *learner = container_of(job, struct learner, job);
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    pthread_mutex_lock(&host->lock);
    cohort_v1_Assignment assignment = learner->assignment;
    struct stop_watch watch = {.learner = learner, .generation = learner->working_generation};
    bool wanted = !is_void(&watch);
    pthread_mutex_unlock(&host->lock);
    enum status status = wanted ? STATUS_OK : STATUS_CANCELLED;
    if (wanted && learner_between_peers(learner))
        status = peer_round_fill(learner, &error);
    if (status == STATUS_OK)
        status = train(learner, &assignment, &watch, &error);
    if (status == STATUS_OK)
        learner_keep_state(learner, is_void, &watch);
    pthread_mutex_lock(&host->lock);
    trained(learner, status, &error, !is_void(&watch));
    pthread_mutex_unlock(&host->lock);
}

// ---- the model ------------------------------------------------------------------------------------------

void learner_free_vectors(struct learner *learner)
{
    if (learner->summary != learner->shared && learner->summary != learner->parameters)
        memory_free(learner->summary);
    if (learner->parameters != learner->shared)
        memory_free(learner->parameters);
    memory_free(learner->shared);
    memory_free(learner->own);
    memory_free(learner->reference);
    *learner->held_id = '\0';
    learner->reference = learner->shared = learner->parameters = learner->summary = learner->own = NULL;
    learner->own_begun = false;
    learner_free_coding(learner);
}

// Where a summary is made in the model's own vector and nothing else of it outlives the round.
void learner_lend_vectors(struct learner *learner)
{
    const struct host *host = learner->host;
    if (host->n_learners < CROWD || *host->address || !learner_is_in_place(learner) || learner->own ||
        learner->evaluation_wanted)
        return;
    study_give_vector(learner->study, learner->shared);
    learner->shared = learner->parameters = learner->summary = NULL;
    learner->round = learner->kept_round = 0;
    *learner->held_id = '\0';
}

bool learner_allocate_vectors(struct learner *learner)
{
    const struct algorithm_plan *plan = &learner->variant->plan;
    if (!learner->shared)
        learner->shared = study_take_vector(learner->study);
    if (!learner->own && plan->n_own)
        learner->own = memory_floats(plan->n_own);
    if (learner_is_in_place(learner)) {
        bool wanted = pretence_needs_reference(learner) || wants_distance(learner);
        if (wanted && !learner->reference)
            learner->reference = memory_floats(plan->n_values);
        learner->parameters = learner->summary = learner->shared;
        return learner->shared && (learner->own || !plan->n_own) && (learner->reference || !wanted);
    }
    if (!learner->parameters)
        learner->parameters = memory_floats(model_layout(learner->variant->model)->n_parameters);
    if (!learner->summary)
        learner->summary = plan->in_place ? learner->parameters : memory_floats(plan_summary_values(plan));
    return learner->shared && learner->parameters && learner->summary && (learner->own || !plan->n_own);
}

// The only learner of its process takes the fetched vector itself; several copy it, and so does who will add
// the next round's difference to it.
static bool take_model(struct learner *learner)
{
    struct study *study = learner->study;
    if (!learner_allocate_vectors(learner))
        return false;
    if (learner->host->n_learners > 1 || experiment_sends_differences(&study->experiment.options)) {
        memcpy(learner->shared, study->values, plan_shared_values(&study->plan) * sizeof(float));
        return true;
    }
    float *values = study->values;
    study->values = learner->shared;
    learner->shared = values;
    if (learner_is_in_place(learner))
        learner->parameters = learner->summary = values;
    study_forget(study);
    return true;
}

bool learner_holds(const struct learner *learner, uint32_t round, const char *id)
{
    return *learner->held_id && learner->held_round == round && strcmp(learner->held_id, id) == 0;
}

// Whether waking another thread would take longer than making the summary.
static bool is_done_in_no_time(const struct learner *learner)
{
    const struct host *host = learner->host;
    return host->n_learners == 1 && study_algorithm(learner->study)->trains_nothing && !learner->own &&
           !host->options->state_folder &&
           plan_summary_values(&learner->variant->plan) <= SMALL_BYTES_MAX / sizeof(float) &&
           !learner_between_peers(learner);
}

// `shared` holds the model that the assignment starts from.
void learner_train(struct learner *learner)
{
    learner->round = learner->assignment.round;
    learner->kept_round = learner->begun_round = 0;
    learner->has_sha256 = learner->offered = false;
    memcpy(learner->model_id, learner->assignment.model_id, sizeof learner->model_id);
    if (learner_is_in_place(learner))
        *learner->held_id = '\0'; // it is trained over
    learner->working_generation = atomic_load(&learner->generation);
    learner->activity = ACTIVITY_TRAINING;
    learner->job.run = run_train;
    pool_turn_post(&learner->host->turn, is_done_in_no_time(learner), learner->host->pool, &learner->job);
}

static bool keep_model(struct learner *learner, uint32_t round, const char *id)
{
    learner->n_retries = learner->n_gone = 0;
    learner->activity = ACTIVITY_NONE;
    if (!take_model(learner))
        return false;
    learner->held_round = round;
    snprintf(learner->held_id, sizeof learner->held_id, "%s", id);
    learner->kept_round = learner_is_in_place(learner) ? 0 : learner->kept_round; // overwritten
    return true;
}

static void fetched_to_evaluate(struct learner *learner)
{
    const cohort_v1_Evaluate *wanted = &learner->evaluation;
    if (!learner->evaluation_wanted) { // nobody waits for it any more
        learner->activity = ACTIVITY_NONE;
        learner_go_on(learner);
    } else if (!study_has(learner->study, wanted->model_round, wanted->model_id)) {
        study_fetch(learner->study, wanted->model_round, wanted->model_id, learner);
    } else if (keep_model(learner, wanted->model_round, wanted->model_id)) {
        learner->result.fetch_seconds = (double)(clock_monotonic_ns() - learner->fetch_started_ns) * 1e-9;
        learner_begin_evaluation(learner);
    } else {
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
    }
}

void learner_fetched(struct learner *learner)
{
    const cohort_v1_Assignment *wanted = &learner->assignment;
    if (learner->activity == ACTIVITY_FETCHING_TO_EVALUATE) {
        fetched_to_evaluate(learner);
        return;
    }
    if (learner->activity != ACTIVITY_FETCHING)
        return;
    if (!study_has(learner->study, wanted->model_round, wanted->model_id)) {
        study_fetch(learner->study, wanted->model_round, wanted->model_id, learner);
        return; // it was another round's
    }
    if (!keep_model(learner, wanted->model_round, wanted->model_id)) {
        learner_decline(
            learner,
            "out of memory for the model's parameters; give the process more, or host fewer learners");
        return;
    }
    learner->result.fetch_seconds = (double)(clock_monotonic_ns() - learner->fetch_started_ns) * 1e-9;
    learner_trace(learner, "fetch", learner->fetch_started_ns, wanted->round);
    learner_train(learner);
}

// ---- assignments ----------------------------------------------------------------------------------------

void learner_pause(struct learner *learner, int64_t ms)
{
    learner->activity = ACTIVITY_PAUSING;
    learner->due_ms = clock_monotonic_ms() + ms;
    host_wake_timer(learner->host);
}

// The summary of the assigned round is kept, and was trained from the very model that it starts from now: a
// coordinator that lost its state may have started over.
static bool has_summary(const struct learner *learner)
{
    return learner->kept_round == learner->assignment.round &&
           strcmp(learner->model_id, learner->assignment.model_id) == 0;
}

static void begin_round(struct learner *learner)
{
    const cohort_v1_Assignment *assignment = &learner->assignment;
    if (pretends_dropout(learner, assignment->round)) {
        learner_decline(learner, "drops out of the round, as simulation.dropout has it");
    } else if (learner_between_peers(learner)) {
        learner->activity = ACTIVITY_FETCHING;
        learner->fetch_started_ns = clock_monotonic_ns();
        peer_round_begin(learner);
    } else if (learner_holds(learner, assignment->model_round, assignment->model_id)) {
        learner_train(learner);
    } else {
        learner->activity = ACTIVITY_FETCHING;
        learner->fetch_started_ns = clock_monotonic_ns();
        study_fetch(learner->study, assignment->model_round, assignment->model_id, learner);
    }
}

// A summary that is kept goes before what would overwrite it.
// Of a round whose model has been replaced meanwhile.
static void ask_anew(struct learner *learner)
{
    learner_withdraw(learner);
    learner_tell_ready(learner, true);
}

void learner_go_on(struct learner *learner)
{
    if (learner->activity != ACTIVITY_NONE || learner->host->ending)
        return;
    if (learner->enrol_yaml)
        learner_load(learner);
    else if (learner->dismissed && learner_between_peers(learner))
        return; // its model is nowhere else: it stays until the next experiment
    else if (learner->dismissed)
        learner_leave_study(learner);
    else if (learner->peer.wanted)
        peer_round_start_exchange(learner);
    else if (learner->assigned && learner->loaded && has_summary(learner))
        learner_submit(learner);
    else if (learner->assigned && learner->loaded && learner->model_gone)
        ask_anew(learner);
    else if (learner->evaluation_wanted && learner->loaded)
        learner_begin_evaluation(learner);
    else if (learner->assigned && learner->loaded)
        begin_round(learner);
}

void learner_withdraw(struct learner *learner)
{
    atomic_fetch_add(&learner->generation, 1);
    learner->assigned = false;
    learner->peer.wanted = false;
    if (learner->activity == ACTIVITY_FETCHING && learner_between_peers(learner)) {
        peer_model_cancel(learner);
    } else if (learner->activity == ACTIVITY_EXCHANGING) {
        peer_round_cancel_exchange(learner);
    } else if (learner->activity == ACTIVITY_FETCHING || learner->activity == ACTIVITY_FETCHING_TO_EVALUATE) {
        learner->activity = ACTIVITY_NONE;
        study_cancel_fetch(learner->study, learner);
    } else if (learner->activity == ACTIVITY_PAUSING) {
        learner->activity = ACTIVITY_NONE;
    } else if (learner->activity == ACTIVITY_SUBMITTING) {
        learner_cancel_submission(learner);
    } else if (learner->activity == ACTIVITY_OFFERING) {
        learner_cancel_offer(learner);
    }
}

// The model itself, or its place, where the assignment has either.
static void take_given_model(struct learner *learner, const cohort_v1_Assignment *assignment)
{
    struct given_model given = {.round = assignment->model_round,
                                .id = assignment->model_id,
                                .coded = assignment->model_coded,
                                .differences = assignment->model_differences,
                                .base = assignment->model_base};
    if (assignment->has_model_place) {
        given.place = &assignment->model_place;
        given.n = assignment->model_place.bytes;
    } else if (assignment->model) {
        given.bytes = assignment->model->bytes;
        given.n = assignment->model->size;
    } else {
        return;
    }
    study_give(learner->study, &given);
}

void learner_assign(struct learner *learner, const cohort_v1_Assignment *assignment)
{
    if (!learner->study || learner->dismissed || strcmp(learner->study->id, assignment->experiment_id) != 0)
        return; // of an experiment that it is not in
    bool again = learner->assigned && learner->assignment.round == assignment->round;
    if (!again)
        learner_withdraw(learner);
    else if (learner->activity == ACTIVITY_SUBMITTING &&
             (learner->assignment.attempt != assignment->attempt ||
              strcmp(learner->assignment.model_id, assignment->model_id) != 0))
        learner_cancel_submission(learner); // of an attempt that is void, or another start: it is sent again
    learner->assignment = *assignment;
    learner->n_assignments++;
    learner->assignment.model = NULL;
    if (learner->activity == ACTIVITY_NONE)
        take_given_model(learner, assignment);
    peer_round_note(learner, &learner->assignment);
    learner->assigned = true;
    learner->model_gone = false;
    learner->n_retries = 0;
    learner_go_on(learner);
}
