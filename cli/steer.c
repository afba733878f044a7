#include "cli/steer.h"
#include <pb_decode.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static enum status create(struct rpc_channel *channel, const struct experiment *experiment,
                          cohort_v1_CreateExperimentRequest *request, char ret_id[64], struct error *error)
{
    cohort_v1_CreateExperimentResponse response = cohort_v1_CreateExperimentResponse_init_zero;
    struct bytes yaml = BYTES_INIT, defaults = BYTES_INIT;
    experiment_dump(experiment, &yaml);
    experiment_defaults(experiment, &defaults);
    request->yaml = yaml.data;
    request->has_resolved = true;
    request->resolved.defaults = defaults.data;
    snprintf(request->resolved.version, sizeof request->resolved.version, "%s", COHORT_VERSION);
    enum status status = yaml.failed || defaults.failed
                             ? error_no_memory(error, yaml.n)
                             : rpc_unary(channel, "/cohort.v1.Coordinator/CreateExperiment", CALL_TIMEOUT_MS,
                                         cohort_v1_CreateExperimentRequest_fields, request,
                                         cohort_v1_CreateExperimentResponse_fields, &response, error);
    bytes_release(&yaml);
    bytes_release(&defaults);
    if (status == STATUS_OK)
        snprintf(ret_id, 64, "%s", response.experiment.id);
    pb_release(cohort_v1_CreateExperimentResponse_fields, &response);
    return status;
}

enum status steer_create(struct rpc_channel *channel, const struct experiment *experiment,
                         const char *request_id, char ret_id[64], struct error *error)
{
    cohort_v1_CreateExperimentRequest request = cohort_v1_CreateExperimentRequest_init_zero;
    if (strlen(request_id) >= sizeof request.request_id)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "request id '%s' is too long; %zu characters are the most", request_id,
                         sizeof request.request_id - 1);
    snprintf(request.request_id, sizeof request.request_id, "%s", request_id);
    return create(channel, experiment, &request, ret_id, error);
}

enum status steer_experiment(struct rpc_channel *channel, const char *id,
                             cohort_v1_GetExperimentResponse *ret, struct error *error)
{
    cohort_v1_GetExperimentRequest request = cohort_v1_GetExperimentRequest_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", id);
    return rpc_unary(channel, "/cohort.v1.Coordinator/GetExperiment", CALL_TIMEOUT_MS,
                     cohort_v1_GetExperimentRequest_fields, &request, cohort_v1_GetExperimentResponse_fields,
                     ret, error);
}

enum status steer_learners(struct rpc_channel *channel, const char *id, cohort_v1_ListLearnersResponse *ret,
                           struct error *error)
{
    cohort_v1_ListLearnersRequest request = cohort_v1_ListLearnersRequest_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", id);
    return rpc_unary(channel, "/cohort.v1.Coordinator/ListLearners", CALL_TIMEOUT_MS,
                     cohort_v1_ListLearnersRequest_fields, &request, cohort_v1_ListLearnersResponse_fields,
                     ret, error);
}

uint64_t steer_learner_peak(struct rpc_channel *channel, const char *name_start)
{
    cohort_v1_ListLearnersResponse response = cohort_v1_ListLearnersResponse_init_zero;
    uint64_t peak = 0;
    if (steer_learners(channel, "", &response, NULL) != STATUS_OK)
        return 0;
    for (pb_size_t i = 0; i < response.learners_count; i++)
        if (strncmp(response.learners[i].name, name_start, strlen(name_start)) == 0 &&
            response.learners[i].peak_rss_bytes > peak)
            peak = response.learners[i].peak_rss_bytes;
    pb_release(cohort_v1_ListLearnersResponse_fields, &response);
    return peak;
}

enum status steer_outcome(const cohort_v1_Experiment *experiment, struct error *error)
{
    switch (experiment->state) {
    case cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED:
        return STATUS_OK;
    case cohort_v1_ExperimentState_EXPERIMENT_STATE_CANCELLED:
        return error_set(error, STATUS_CANCELLED, "experiment '%s' was cancelled: %s", experiment->id,
                         experiment->message);
    default:
        return error_set(error, STATUS_ABORTED, "experiment '%s' failed: %s", experiment->id,
                         experiment->message);
    }
}

void steer_cancel(struct rpc_channel *channel, const char *id, const char *message)
{
    cohort_v1_CancelExperimentRequest request = cohort_v1_CancelExperimentRequest_init_zero;
    cohort_v1_CancelExperimentResponse response = cohort_v1_CancelExperimentResponse_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", id);
    snprintf(request.message, sizeof request.message, "%s", message);
    rpc_unary(channel, "/cohort.v1.Coordinator/CancelExperiment", CALL_TIMEOUT_MS,
              cohort_v1_CancelExperimentRequest_fields, &request, cohort_v1_CancelExperimentResponse_fields,
              &response, NULL);
}
