#include "cli/steer.h"
#include <pb_decode.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum status steer_create(struct rpc_channel *channel, const char *yaml, char ret_id[64], struct error *error)
{
    return steer_submit(channel, yaml, "", ret_id, error);
}

enum status steer_submit(struct rpc_channel *channel, const char *yaml, const char *request_id,
                         char ret_id[64], struct error *error)
{
    cohort_v1_CreateExperimentRequest request = cohort_v1_CreateExperimentRequest_init_zero;
    cohort_v1_CreateExperimentResponse response = cohort_v1_CreateExperimentResponse_init_zero;
    request.yaml = (char *)(uintptr_t)yaml; // encoded, not changed
    if (strlen(request_id) >= sizeof request.request_id)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "request id '%s' is too long; %zu characters are the most", request_id,
                         sizeof request.request_id - 1);
    snprintf(request.request_id, sizeof request.request_id, "%s", request_id);
    TRY(rpc_unary(channel, "/cohort.v1.Coordinator/CreateExperiment", CALL_TIMEOUT_MS,
                  cohort_v1_CreateExperimentRequest_fields, &request,
                  cohort_v1_CreateExperimentResponse_fields, &response, error));
    snprintf(ret_id, 64, "%s", response.experiment.id);
    pb_release(cohort_v1_CreateExperimentResponse_fields, &response);
    return STATUS_OK;
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
