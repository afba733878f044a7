// cohort.v1.Learner: what operators and peers ask of a learner's process.
#include "base/memory.h"
#include "cohort/v1/learner.pb.h"
#include "learner/host.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PREDICT_VALUES_MAX = 65535 };

// ---- GetStatus ------------------------------------------------------------------------------------------

static cohort_v1_LearnerState state_of(const struct learner *learner)
{
    if (!learner->joined)
        return cohort_v1_LearnerState_LEARNER_STATE_LOST;
    switch (learner->activity) {
    case ACTIVITY_LOADING:
        return cohort_v1_LearnerState_LEARNER_STATE_ENROLLED;
    case ACTIVITY_FETCHING:
    case ACTIVITY_TRAINING:
        return cohort_v1_LearnerState_LEARNER_STATE_TRAINING;
    case ACTIVITY_PAUSING:
    case ACTIVITY_OFFERING:
    case ACTIVITY_SUBMITTING:
    case ACTIVITY_EXCHANGING:
        return cohort_v1_LearnerState_LEARNER_STATE_UPLOADING;
    default:
        return learner->loaded ? cohort_v1_LearnerState_LEARNER_STATE_READY
                               : cohort_v1_LearnerState_LEARNER_STATE_JOINED;
    }
}

static void describe(const struct learner *learner, cohort_v1_LearnerStatus *ret)
{
    snprintf(ret->learner, sizeof ret->learner, "%s", learner->name);
    ret->state = state_of(learner);
    ret->round = learner->round;
    ret->n_samples = learner->part.n_samples;
    if (learner->study) {
        snprintf(ret->experiment_id, sizeof ret->experiment_id, "%s", learner->study->id);
        ret->model_parameters = learner->variant ? model_layout(learner->variant->model)->n_parameters : 0;
    }
}

static void get_status(struct rpc_call *call, void *service, const void *request)
{
    struct host *host = service;
    struct arena arena = ARENA_INIT;
    cohort_v1_GetStatusResponse response = cohort_v1_GetStatusResponse_init_zero;
    snprintf(response.version, sizeof response.version, "%s", COHORT_VERSION);
    snprintf(response.coordinator, sizeof response.coordinator, "%s", host->options->coordinator);
    response.rss_bytes = memory_rss();
    response.peak_rss_bytes = memory_peak_rss();
    response.learners = arena_array(&arena, host->n_learners, sizeof *response.learners);
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; response.learners && i < host->n_learners; i++)
        describe(&host->learners[i], &response.learners[response.learners_count++]);
    pthread_mutex_unlock(&host->lock);
    rpc_call_reply(call, cohort_v1_GetStatusResponse_fields, &response);
    arena_release(&arena);
}

// ---- Predict and Evaluate, in the pool ------------------------------------------------------------------

struct serving {
    struct learner *learner;
    struct rpc_call *call;
    const cohort_v1_PredictRequest *predict; // NULL: evaluate
    struct pool_job job;
};

// What this learner answers with: after an exchange with others, what came of it.
static const float *answers(const struct learner *learner)
{
    bool shared = learner_between_peers(learner) && learner->study->plan.shares == SHARES_MODEL &&
                  !study_algorithm(learner->study)->own_model;
    const float *model = shared ? peer_round_model(learner, UINT32_MAX) : NULL;
    return model ? model : learner->parameters;
}

static enum status predict(const struct serving *serving, struct workspace *workspace, size_t batch,
                           struct error *error)
{
    const struct learner *learner = serving->learner;
    const struct model *model = learner->variant->model;
    const cohort_v1_PredictRequest *request = serving->predict;
    size_t width = shape_size(model_input(model)), n_outputs = model_n_outputs(model);
    cohort_v1_PredictResponse response = {.n_outputs = (uint32_t)n_outputs, .round = learner->round};
    size_t most = PREDICT_VALUES_MAX / (width > n_outputs ? width : n_outputs);
    if (request->n_samples == 0 || request->n_samples > most ||
        request->features_count != request->n_samples * width)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%u features for %u samples; send 1 to %zu samples of %zu features each",
                         request->features_count, request->n_samples, most, width);
    response.outputs = memory_array(request->n_samples * n_outputs, sizeof(float));
    if (!response.outputs)
        return error_no_memory(error, request->n_samples * n_outputs * sizeof(float));
    response.outputs_count = (pb_size_t)(request->n_samples * n_outputs);
    for (size_t first = 0; first < request->n_samples; first += batch) {
        size_t n = request->n_samples - first < batch ? request->n_samples - first : batch;
        const float *outputs =
            model_forward(model, workspace, answers(learner), request->features + first * width, n);
        model_probabilities(model, outputs, n, response.outputs + first * n_outputs);
    }
    rpc_call_reply(serving->call, cohort_v1_PredictResponse_fields, &response);
    memory_free(response.outputs);
    return STATUS_OK;
}

static void add_metric(cohort_v1_EvaluateResponse *response, const char *name, double value)
{
    if (isnan(value))
        return;
    cohort_v1_Metric *metric = &response->metrics[response->metrics_count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
}

static enum status evaluate_own(const struct serving *serving, struct workspace *workspace, size_t batch,
                                struct error *error)
{
    const struct learner *learner = serving->learner;
    struct evaluation evaluation;
    cohort_v1_EvaluateResponse response = cohort_v1_EvaluateResponse_init_zero;
    TRY(evaluate(learner->variant->model, workspace, batch, answers(learner), &learner->part, &evaluation,
                 error));
    response.round = learner->round;
    response.n_samples = evaluation.n_samples;
    add_metric(&response, "loss", evaluation.loss);
    add_metric(&response, "accuracy", evaluation.accuracy);
    rpc_call_reply(serving->call, cohort_v1_EvaluateResponse_fields, &response);
    return STATUS_OK;
}

static void run_serving(struct pool_job *job)
{
    struct serving *serving = container_of(job, struct serving, job);
    struct learner *learner = serving->learner;
    struct host *host = learner->host;
    struct workspace *workspace = NULL;
    struct error error = ERROR_INIT;
    enum { BATCH = 64 };
    enum status status = workspace_new(&workspace, learner->variant->model, BATCH, false, &error);
    if (status == STATUS_OK)
        status = serving->predict ? predict(serving, workspace, BATCH, &error)
                                  : evaluate_own(serving, workspace, BATCH, &error);
    if (status != STATUS_OK)
        rpc_call_fail(serving->call, &error);
    workspace_free(workspace);
    rpc_call_unref(serving->call);
    memory_free(serving);
    pthread_mutex_lock(&host->lock);
    learner->activity = ACTIVITY_NONE;
    learner_go_on(learner);
    pthread_mutex_unlock(&host->lock);
}

static enum status find(struct host *host, const char *name, struct learner **ret, struct error *error)
{
    if (!*name && host->n_learners == 1) {
        *ret = &host->learners[0];
        return STATUS_OK;
    }
    for (size_t i = 0; i < host->n_learners; i++) {
        if (strcmp(host->learners[i].name, name) == 0) {
            *ret = &host->learners[i];
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_NOT_FOUND, "this process hosts no learner '%s'; GetStatus tells the names",
                     name);
}

static enum status begin(struct host *host, struct rpc_call *call, const char *name,
                         const cohort_v1_PredictRequest *request, struct error *error)
{
    struct learner *learner = NULL;
    TRY(find(host, name, &learner, error));
    if (!learner->parameters || !learner->round)
        return error_set(error, STATUS_FAILED_PRECONDITION, "learner '%s' has no model yet; wait for a round",
                         learner->name);
    if (learner->activity != ACTIVITY_NONE || host->ending)
        return error_set(error, STATUS_UNAVAILABLE,
                         "learner '%s' is busy with a round; try again in a moment", learner->name);
    struct serving *serving = memory_zalloc(sizeof *serving);
    if (!serving)
        return error_no_memory(error, sizeof *serving);
    *serving = (struct serving){
        .learner = learner, .call = rpc_call_ref(call), .predict = request, .job = {.run = run_serving}};
    learner->activity = ACTIVITY_SERVING;
    pool_post(host->pool, &serving->job);
    return STATUS_OK;
}

static void serve(struct rpc_call *call, struct host *host, const char *name,
                  const cohort_v1_PredictRequest *request)
{
    struct error error = ERROR_INIT;
    pthread_mutex_lock(&host->lock);
    enum status status = begin(host, call, name, request, &error);
    pthread_mutex_unlock(&host->lock);
    if (status != STATUS_OK)
        rpc_call_fail(call, &error);
}

static void serve_predict(struct rpc_call *call, void *service, const void *request)
{
    serve(call, service, ((const cohort_v1_PredictRequest *)request)->learner, request);
}

static void serve_evaluate(struct rpc_call *call, void *service, const void *request)
{
    serve(call, service, ((const cohort_v1_EvaluateRequest *)request)->learner, NULL);
}

static void exchange_summary(struct rpc_call *call, void *service)
{
    peers_door_open_call(((struct host *)service)->door, call);
}

static const struct rpc_method methods[] = {
    {.path = "/cohort.v1.Learner/GetStatus",
     .request_fields = cohort_v1_GetStatusRequest_fields,
     .request_bytes = sizeof(cohort_v1_GetStatusRequest),
     .unary = get_status},
    {.path = "/cohort.v1.Learner/Predict",
     .request_fields = cohort_v1_PredictRequest_fields,
     .request_bytes = sizeof(cohort_v1_PredictRequest),
     .unary = serve_predict},
    {.path = "/cohort.v1.Learner/Evaluate",
     .request_fields = cohort_v1_EvaluateRequest_fields,
     .request_bytes = sizeof(cohort_v1_EvaluateRequest),
     .unary = serve_evaluate},
    {.path = "/cohort.v1.Learner/ExchangeSummary", .open = exchange_summary},
    {.path = "/cohort.v1.Learner/GetModel", .open = peer_model_open_call},
    {0},
};

struct rpc_service learner_service(struct host *host)
{
    return (struct rpc_service){.name = "cohort.v1.Learner", .methods = methods, .self = host};
}
