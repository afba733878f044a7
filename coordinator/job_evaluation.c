// After a commit: the coordinator evaluates the model on test data in the pool, learners evaluate what they
// would use on data of their own, and then the round is evaluated.
#include "algorithm/evaluate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct slot_evaluation nothing_told = {.loss = (double)NAN,
                                                    .accuracy = (double)NAN,
                                                    .test_loss = (double)NAN,
                                                    .test_accuracy = (double)NAN};

// ---- the end --------------------------------------------------------------------------------------------

static bool stops(struct job *job)
{
    const struct collaboration_options *collaboration = &job->experiment.options.collaboration;
    bool stop = false;
    for (pb_size_t i = 0; collaboration->has_stop && i < job->n_metrics; i++)
        if (strcmp(job->metrics[i].name, metric_words[collaboration->stop.metric]) == 0)
            stop = stop_reached(&collaboration->stop, &job->stop, job->metrics[i].value);
    return stop;
}

static void add_metric(struct job *job, cohort_v1_RoundEvaluated *evaluated, const char *name, double value)
{
    if (isnan(value))
        return;
    cohort_v1_Metric *metric = &evaluated->metrics[evaluated->metrics_count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
    if (round_number(job->round) == evaluated->round) // else the metrics are a later round's
        job_set_metric(job, name, value);
}

// What learners told, summed in the order of slots so that the last bit does not depend on who came first.
static void add_told(struct job *job, cohort_v1_RoundEvaluated *evaluated)
{
    struct local_tally own = {0}, test = {0};
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        const struct slot_evaluation *told = &job->slots[slot].evaluation;
        if (told->round != evaluated->round)
            continue;
        local_tally_add(&own, told->loss, told->accuracy);
        local_tally_add(&test, told->test_loss, told->test_accuracy);
    }
    const struct local_metrics on_own = local_tally_metrics(&own), on_test = local_tally_metrics(&test);
    add_metric(job, evaluated, "test_loss", on_test.loss);
    add_metric(job, evaluated, "test_accuracy", on_test.accuracy);
    add_metric(job, evaluated, "local_loss", on_own.loss);
    add_metric(job, evaluated, "local_accuracy", on_own.accuracy);
    add_metric(job, evaluated, "local_accuracy_worst", on_own.worst);
    add_metric(job, evaluated, "local_accuracy_std", on_own.deviation);
}

static void event_evaluated(struct job *job)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_round_evaluated_tag;
    cohort_v1_RoundEvaluated *evaluated = &event.event.round_evaluated;
    evaluated->round = job->evaluating_round;
    add_metric(job, evaluated, "test_loss", job->tested.loss);
    add_metric(job, evaluated, "test_accuracy", job->tested.accuracy);
    add_told(job, evaluated);
    events_add(job->events, &event);
}

// Once the test data is through and everyone that was asked has answered or is gone.
static void end_when_complete(struct job *job)
{
    uint32_t number = job->evaluating_round;
    if (number == 0 || job->testing || job->n_evaluating)
        return;
    job->evaluating = version_unref(job->evaluating);
    if (!job_is_over(job))
        event_evaluated(job);
    job->evaluating_round = 0;
    if (!job_is_over(job))
        round_evaluated(job->round, number, stops(job), clock_monotonic_ms());
    if (job->committed_waits) {
        job->committed_waits = false;
        round_committed(job->round, true, clock_monotonic_ms());
    }
}

// ---- on test data, in the pool --------------------------------------------------------------------------

static void run_evaluate(struct pool_job *pool_job)
{
    struct job *job = container_of(pool_job, struct job, evaluate_job);
    struct error error = ERROR_INIT;
    struct evaluation evaluation;
    int64_t begun_ns = trace_begin();
    enum status status = evaluate(job->model, job->test.workspace, JOB_EVALUATION_BATCH,
                                  job->evaluating->values, &job->test.part, &evaluation, &error);
    trace_end("evaluate", begun_ns, JOB_TRACK_EVALUATION, job->evaluating->round);
    if (status != STATUS_OK)
        log_warn("evaluation failed", LOG_S("experiment", job->id), LOG_I("round", job->evaluating->round),
                 LOG_S("error", error.message));
    pthread_mutex_lock(&job->coordinator->lock);
    job->testing = false;
    if (status == STATUS_OK)
        job->tested = evaluation;
    end_when_complete(job);
    job_release_test(job);
    pthread_mutex_unlock(&job->coordinator->lock);
}

// ---- at the learners ------------------------------------------------------------------------------------

// Learners evaluate on the test data where there is no model of everyone's that the coordinator could.
static bool learners_test(const struct job *job)
{
    const struct experiment_options *options = &job->experiment.options;
    return options->has_data && options->data.has_test &&
           (job->plan.shares != SHARES_MODEL || job_between_peers(job));
}

static bool asks_learners(const struct job *job)
{
    return job->experiment.options.evaluation.holdout > 0 || learners_test(job);
}

static void ask(struct job *job, uint32_t slot)
{
    cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
    message.which_event = cohort_v1_AttendResponse_evaluate_tag;
    cohort_v1_Evaluate *request = &message.event.evaluate;
    snprintf(request->experiment_id, sizeof request->experiment_id, "%s", job->id);
    request->round = job->evaluating_round;
    request->model_round = job->evaluating->round;
    if (!job_between_peers(job)) // there each has it already
        memcpy(request->model_id, job->evaluating->id, sizeof request->model_id);
    request->on_test_data = learners_test(job) && (!job_peers_agree(job) || job->n_evaluating == 0);
    job->slots[slot].evaluation.asked = true;
    job->n_evaluating++;
    member_send(job->slots[slot].member, &message);
}

// Who of those that are here is asked: everyone but those who still train, of an earlier round or for a later
// one, for neither are they kept from it nor waited for; between peers, those who have the round's model, and
// of one model on test data the first.
static bool is_asked(const struct job *job, uint32_t slot)
{
    if (!job->slots[slot].member || round_slot(job->round, slot)->state != SLOT_READY)
        return false;
    if (!job_between_peers(job))
        return job->slots[slot].member->state == cohort_v1_LearnerState_LEARNER_STATE_READY;
    bool enough =
        job_peers_agree(job) && job->experiment.options.evaluation.holdout <= 0 && job->n_evaluating;
    return job->slots[slot].holds_round == job->evaluating_round && !enough;
}

static void ask_learners(struct job *job)
{
    const struct experiment_options *options = &job->experiment.options;
    if (!asks_learners(job) || !local_evaluation_due(&options->evaluation, job->evaluating_round,
                                                     (uint32_t)options->collaboration.rounds))
        return;
    for (uint32_t slot = 0; slot < job->n_slots; slot++)
        job->slots[slot].evaluation = nothing_told;
    for (uint32_t slot = 0; slot < job->n_slots; slot++)
        if (is_asked(job, slot))
            ask(job, slot);
}

// Learners may tell anything: what cannot be does not count.
static double told_metric(const cohort_v1_Evaluated *told, const char *name, double most)
{
    for (pb_size_t i = 0; i < told->metrics_count; i++)
        if (strcmp(told->metrics[i].name, name) == 0)
            return told->metrics[i].value >= 0 && told->metrics[i].value <= most ? told->metrics[i].value
                                                                                 : (double)NAN;
    return (double)NAN;
}

static void event_told(struct job *job, const struct member *member, const cohort_v1_Evaluated *told)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_learner_evaluated_tag;
    cohort_v1_LearnerEvaluated *evaluated = &event.event.learner_evaluated;
    evaluated->round = told->round;
    evaluated->n_samples = told->n_samples;
    snprintf(evaluated->learner, sizeof evaluated->learner, "%s", member->name);
    evaluated->metrics_count = told->metrics_count;
    memcpy(evaluated->metrics, told->metrics, sizeof evaluated->metrics);
    for (pb_size_t i = 0; i < evaluated->metrics_count; i++)
        text_clean(evaluated->metrics[i].name);
    events_add(job->events, &event);
}

static void answered(struct job *job, uint32_t slot)
{
    if (!job->slots[slot].evaluation.asked)
        return;
    job->slots[slot].evaluation.asked = false;
    job->n_evaluating--;
}

void job_evaluated(struct job *job, struct member *member, const cohort_v1_Evaluated *told)
{
    struct slot_evaluation *evaluation = &job->slots[member->slot].evaluation;
    if (!evaluation->asked || told->round != job->evaluating_round)
        return; // of a round that went on without it
    *evaluation = (struct slot_evaluation){
        .asked = true,
        .round = told->round,
        .loss = told_metric(told, "local_loss", (double)MAXFLOAT),
        .accuracy = told_metric(told, "local_accuracy", 1),
        .test_loss = told_metric(told, "test_loss", (double)MAXFLOAT),
        .test_accuracy = told_metric(told, "test_accuracy", 1),
    };
    if (told->metrics_count)
        event_told(job, member, told);
    else
        log_warn("a learner could not evaluate", LOG_S("learner", member->name), LOG_I("round", told->round),
                 LOG_S("error", told->message));
    answered(job, member->slot);
    end_when_complete(job);
}

void job_evaluation_without(struct job *job, uint32_t slot)
{
    answered(job, slot);
    end_when_complete(job);
}

// ---- the beginning --------------------------------------------------------------------------------------

bool job_evaluates(const struct job *job)
{
    return job->test.present || asks_learners(job);
}

void job_start_evaluate(struct job *job)
{
    if (!job_evaluates(job)) {
        round_evaluated(job->round, round_number(job->round), stops(job), clock_monotonic_ms());
        return;
    }
    job->evaluating_round = round_number(job->round);
    job->evaluating = version_ref(job->current);
    job->tested = (struct evaluation){.loss = (double)NAN, .accuracy = (double)NAN};
    job->testing = job->test.present;
    ask_learners(job);
    if (job->testing) {
        job->evaluate_job.run = run_evaluate;
        pool_post(job->coordinator->pool, &job->evaluate_job);
    }
    end_when_complete(job);
}
