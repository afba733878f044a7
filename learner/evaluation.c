// Evaluating what this learner would use now on samples of its own, when the coordinator asks; and on test
// data where there is no model of everyone's.
#include "base/clock.h"
#include "base/memory.h"
#include "base/trace.h"
#include "learner/host.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 256, FETCHES_MAX = 5 };

// The answer to `asked`, unless nobody waits for it any more; another question may have come meanwhile.
static void answer(struct learner *learner, const cohort_v1_Evaluate *asked, cohort_v1_Evaluated *evaluated,
                   const char *message)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    if (!learner->evaluation_wanted || learner->evaluation.round != asked->round)
        return;
    request.which_event = cohort_v1_AttendRequest_evaluated_tag;
    memcpy(evaluated->experiment_id, asked->experiment_id, sizeof evaluated->experiment_id);
    evaluated->round = asked->round;
    snprintf(evaluated->message, sizeof evaluated->message, "%.500s", message);
    request.event.evaluated = *evaluated;
    learner->evaluation_wanted = false;
    learner_send(learner, &request);
}

// ---- in the pool ----------------------------------------------------------------------------------------

static void add_metric(cohort_v1_Evaluated *evaluated, const char *name, double value)
{
    if (isnan(value))
        return;
    cohort_v1_Metric *metric = &evaluated->metrics[evaluated->metrics_count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
}

// The parameters that this learner would use now: the round's model as fetched, or its own; `ret_own` holds
// those that had no place of their own.
static enum status find_parameters(struct learner *learner, const float **ret, float **ret_own,
                                   struct error *error)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    const struct algorithm_plan *plan = &learner->variant->plan;
    size_t n = model_layout(learner->variant->model)->n_parameters;
    const float *shared =
        learner_between_peers(learner) ? peer_round_model(learner, UINT32_MAX) : learner->shared;
    if (!shared)
        return error_set(error, STATUS_FAILED_PRECONDITION, "there is no model yet; wait for a round");
    *ret = plan->shares == SHARES_MODEL ? shared : learner->parameters;
    if (!algorithm->own_model)
        return STATUS_OK;
    struct learner_step step = learner_step_of(learner, learner->evaluating.round);
    step.shared = shared;
    learner_begin_own(learner, &step);
    if (plan->in_place && !(*ret_own = memory_floats(n)))
        return error_no_memory(error, n * sizeof(float));
    float *own = plan->in_place ? *ret_own : learner->parameters;
    algorithm->own_model(&step, own);
    *ret = own;
    return STATUS_OK;
}

static enum status evaluate_held_out(const struct learner *learner, struct workspace *workspace,
                                     const float *parameters, cohort_v1_Evaluated *ret, struct error *error)
{
    struct evaluation evaluation;
    if (learner->samples.held_out.n_samples == 0)
        return STATUS_OK;
    TRY(evaluate(learner->variant->model, workspace, BATCH, parameters, &learner->samples.held_out,
                 &evaluation, error));
    ret->n_samples = evaluation.n_samples;
    add_metric(ret, "local_loss", evaluation.loss);
    add_metric(ret, "local_accuracy", evaluation.accuracy);
    return STATUS_OK;
}

static enum status evaluate_test(struct learner *learner, struct workspace *workspace,
                                 const float *parameters, cohort_v1_Evaluated *ret, struct error *error)
{
    struct evaluation evaluation;
    const struct dataset *test = NULL;
    if (!learner->evaluating.on_test_data || !learner->host->options->use_experiment_data)
        return STATUS_OK;
    TRY(study_test_data(learner->study, &test, error));
    const struct part part = {.dataset = test, .n_samples = test->n_samples};
    TRY(evaluate(learner->variant->model, workspace, BATCH, parameters, &part, &evaluation, error));
    add_metric(ret, "test_loss", evaluation.loss);
    add_metric(ret, "test_accuracy", evaluation.accuracy);
    return STATUS_OK;
}

static enum status evaluate_all(struct learner *learner, cohort_v1_Evaluated *ret, struct error *error)
{
    struct workspace *workspace = NULL;
    cleanup_free float *own = NULL;
    const float *parameters = NULL;
    TRY(find_parameters(learner, &parameters, &own, error));
    TRY(workspace_new(&workspace, learner->variant->model, BATCH, false, error));
    enum status status = evaluate_held_out(learner, workspace, parameters, ret, error);
    if (status == STATUS_OK)
        status = evaluate_test(learner, workspace, parameters, ret, error);
    workspace_free(workspace);
    return status;
}

static void run_evaluate(struct pool_job *job)
{
    struct learner *learner = container_of(job, struct learner, job);
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    cohort_v1_Evaluated evaluated = cohort_v1_Evaluated_init_zero;
    int64_t begun_ns = trace_begin();
    enum status status = evaluate_all(learner, &evaluated, &error);
    learner_trace(learner, "evaluate", begun_ns, learner->evaluating.round);
    pthread_mutex_lock(&host->lock);
    learner->activity = ACTIVITY_NONE;
    answer(learner, &learner->evaluating, &evaluated,
           status != STATUS_OK       ? error.message
           : evaluated.metrics_count ? ""
                                     : "it has no samples to evaluate on");
    learner_go_on(learner);
    pthread_mutex_unlock(&host->lock);
}

// ---- under the lock -------------------------------------------------------------------------------------

void learner_evaluate(struct learner *learner, const cohort_v1_Evaluate *request)
{
    if (!learner->study || learner->dismissed || strcmp(learner->study->id, request->experiment_id) != 0)
        return; // of an experiment that it is not in
    learner->evaluation = *request;
    learner->evaluation_wanted = true;
    learner->n_retries = 0;
    learner_go_on(learner);
}

void learner_begin_evaluation(struct learner *learner)
{
    cohort_v1_Evaluated nothing = cohort_v1_Evaluated_init_zero;
    if (learner->n_retries > FETCHES_MAX) {
        learner->n_retries = 0;
        answer(learner, &learner->evaluation, &nothing, "the model cannot be fetched");
        learner_go_on(learner);
    } else if (*learner->evaluation.model_id &&
               !learner_holds(learner, learner->evaluation.model_round, learner->evaluation.model_id)) {
        learner->activity = ACTIVITY_FETCHING_TO_EVALUATE;
        learner->fetch_started_ns = clock_monotonic_ns();
        study_fetch(learner->study, learner->evaluation.model_round, learner->evaluation.model_id, learner);
    } else {
        learner->activity = ACTIVITY_EVALUATING;
        learner->evaluating = learner->evaluation;
        learner->job.run = run_evaluate;
        pool_post(learner->host->pool, &learner->job);
    }
}
