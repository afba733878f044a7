// A round at the learner: fetch the model, train, keep the summary, submit it.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "learner/host.h"
#include <math.h>
#include <stddef.h>
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

static struct learner_step step_of(const struct learner *learner, uint32_t round)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    bool in_place = learner->study->plan.in_place;
    return (struct learner_step){
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .plan = &learner->study->plan,
        .model = learner->study->model,
        .part = &learner->part,
        .seed = (uint64_t)options->seed,
        .learner = learner->index,
        .n_learners = learner->n_learners,
        .round = round,
        .rounds = (uint32_t)options->collaboration.rounds,
        .shared = in_place ? NULL : learner->shared,
        .own = learner->own,
    };
}

// What the learner keeps from round to round is made in its first one.
static void begin_own(struct learner *learner, const struct learner_step *step)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    if (!learner->own_begun && algorithm->begin_own)
        algorithm->begin_own(step, learner->own);
    learner->own_begun = true;
}

static enum status train(struct learner *learner, const cohort_v1_Assignment *assignment,
                         struct stop_watch *watch, struct error *error)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    struct learner_step step = step_of(learner, assignment->round);
    struct learner_result result = {0};
    int64_t started_ns = clock_monotonic_ns();
    begin_own(learner, &step);
    step.parameters = learner->parameters;
    step.summary = learner->summary;
    step.stop = is_void;
    step.user = watch;
    if (!algorithm->trains_nothing)
        TRY(study_take_trainer(learner->study, &step.trainer, error));
    enum status status = algorithm_learn(algorithm, &step, &result, error);
    if (step.trainer)
        study_give_trainer(learner->study, step.trainer);
    learner->result.weight = result.weight;
    learner->result.train_loss = result.train_loss;
    learner->result.train_accuracy = result.train_accuracy;
    learner->result.train_seconds = (double)(clock_monotonic_ns() - started_ns) * 1e-9;
    return status;
}

// A simulated delay, the same for the same experiment and seed.
static int64_t simulated_delay_ms(const struct learner *learner)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    struct random random = random_open((struct random_key){.seed = (uint64_t)options->seed,
                                                           .learner = learner->index,
                                                           .round = learner->kept_round,
                                                           .purpose = RANDOM_DELAY});
    return options->simulation.delay_ms
               ? (int64_t)(random_double(&random) * (double)options->simulation.delay_ms)
               : 0;
}

static void decline(struct learner *learner, const char *message)
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
        int64_t delay_ms = simulated_delay_ms(learner);
        if (delay_ms)
            learner_pause(learner, delay_ms);
    } else if (valid && status != STATUS_CANCELLED) {
        decline(learner, error->message);
    }
    learner_go_on(learner);
}

static void run_train(struct pool_job *job)
{
    struct learner *learner = (struct learner *)(void *)((char *)job - offsetof(struct learner, job));
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    pthread_mutex_lock(&host->lock);
    cohort_v1_Assignment assignment = learner->assignment;
    struct stop_watch watch = {.learner = learner, .generation = learner->working_generation};
    bool wanted = !is_void(&watch);
    pthread_mutex_unlock(&host->lock);
    enum status status = wanted ? train(learner, &assignment, &watch, &error) : STATUS_CANCELLED;
    pthread_mutex_lock(&host->lock);
    trained(learner, status, &error, !is_void(&watch));
    pthread_mutex_unlock(&host->lock);
}

// ---- the model ------------------------------------------------------------------------------------------

void learner_free_vectors(struct learner *learner)
{
    if (learner->summary != learner->shared)
        memory_free(learner->summary);
    if (learner->parameters != learner->shared)
        memory_free(learner->parameters);
    memory_free(learner->shared);
    memory_free(learner->own);
    learner->shared = learner->parameters = learner->summary = learner->own = NULL;
    learner->own_begun = false;
}

static bool allocate_vectors(struct learner *learner)
{
    const struct study *study = learner->study;
    const struct algorithm_plan *plan = &study->plan;
    if (!learner->shared)
        learner->shared = memory_floats(plan_shared_values(plan));
    if (!learner->own && plan->n_own)
        learner->own = memory_floats(plan->n_own);
    if (plan->in_place) {
        learner->parameters = learner->summary = learner->shared;
        return learner->shared && (learner->own || !plan->n_own);
    }
    if (!learner->parameters)
        learner->parameters = memory_floats(model_layout(study->model)->n_parameters);
    if (!learner->summary)
        learner->summary = memory_floats(plan_summary_values(plan));
    return learner->shared && learner->parameters && learner->summary && (learner->own || !plan->n_own);
}

// The only learner of its process takes the fetched vector itself; several copy it.
static bool take_model(struct learner *learner)
{
    struct study *study = learner->study;
    if (!allocate_vectors(learner))
        return false;
    if (learner->host->n_learners > 1) {
        memcpy(learner->shared, study->values, plan_shared_values(&study->plan) * sizeof(float));
        return true;
    }
    float *values = study->values;
    study->values = learner->shared;
    learner->shared = values;
    if (study->plan.in_place)
        learner->parameters = learner->summary = values;
    study->complete = false;
    study->received = 0;
    return true;
}

void learner_fetched(struct learner *learner)
{
    struct study *study = learner->study;
    if (learner->activity != ACTIVITY_FETCHING)
        return;
    if (!study_has(study, learner->assignment.model_round, learner->assignment.model_sha256)) {
        study_fetch(study, learner->assignment.model_round, learner->assignment.model_sha256, learner);
        return; // it was another round's
    }
    learner->n_retries = 0;
    learner->activity = ACTIVITY_NONE;
    if (!take_model(learner)) {
        decline(learner,
                "out of memory for the model's parameters; give the process more, or host fewer learners");
        return;
    }
    learner->result.fetch_seconds = (double)(clock_monotonic_ns() - learner->fetch_started_ns) * 1e-9;
    learner->round = learner->assignment.round;
    learner->kept_round = 0;
    memcpy(learner->model_sha256, learner->assignment.model_sha256, sizeof learner->model_sha256);
    learner->working_generation = atomic_load(&learner->generation);
    learner->activity = ACTIVITY_TRAINING;
    learner->job.run = run_train;
    pool_post(learner->host->pool, &learner->job);
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
           strcmp(learner->model_sha256, learner->assignment.model_sha256) == 0;
}

void learner_go_on(struct learner *learner)
{
    if (learner->activity != ACTIVITY_NONE || learner->host->ending)
        return;
    if (learner->enrol_yaml) {
        learner_load(learner);
    } else if (learner->dismissed) {
        learner_leave_study(learner);
    } else if (learner->assigned && learner->loaded) {
        if (has_summary(learner)) {
            learner_submit(learner);
            return;
        }
        learner->activity = ACTIVITY_FETCHING;
        learner->fetch_started_ns = clock_monotonic_ns();
        study_fetch(learner->study, learner->assignment.model_round, learner->assignment.model_sha256,
                    learner);
    }
}

void learner_withdraw(struct learner *learner)
{
    atomic_fetch_add(&learner->generation, 1);
    learner->assigned = false;
    if (learner->activity == ACTIVITY_FETCHING) {
        learner->activity = ACTIVITY_NONE;
        study_cancel_fetch(learner->study, learner);
    } else if (learner->activity == ACTIVITY_PAUSING) {
        learner->activity = ACTIVITY_NONE;
    } else if (learner->activity == ACTIVITY_SUBMITTING) {
        learner_cancel_submission(learner);
    }
}

void learner_assign(struct learner *learner, const cohort_v1_Assignment *assignment)
{
    if (!learner->study || learner->dismissed || strcmp(learner->study->id, assignment->experiment_id) != 0)
        return; // of an experiment that it is not in
    bool again = learner->assigned && learner->assignment.round == assignment->round;
    if (!again)
        learner_withdraw(learner);
    else if (learner->activity == ACTIVITY_SUBMITTING && learner->assignment.attempt != assignment->attempt)
        learner_cancel_submission(learner); // of an attempt that is void; it is sent again
    learner->assignment = *assignment;
    learner->assigned = true;
    learner->n_retries = 0;
    learner_go_on(learner);
}
