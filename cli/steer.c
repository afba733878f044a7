#include "cli/steer.h"
#include "cohort/v1/coordinator.pb.h"
#include <pb_decode.h>
#include <stdint.h>
#include <stdio.h>

enum status steer_create(struct rpc_channel *channel, const char *yaml, char ret_id[64], struct error *error)
{
    cohort_v1_CreateExperimentRequest request = cohort_v1_CreateExperimentRequest_init_zero;
    cohort_v1_CreateExperimentResponse response = cohort_v1_CreateExperimentResponse_init_zero;
    request.yaml = (char *)(uintptr_t)yaml; // encoded, not changed
    TRY(rpc_unary(channel, "/cohort.v1.Coordinator/CreateExperiment", CALL_TIMEOUT_MS,
                  cohort_v1_CreateExperimentRequest_fields, &request,
                  cohort_v1_CreateExperimentResponse_fields, &response, error));
    snprintf(ret_id, 64, "%s", response.experiment.id);
    pb_release(cohort_v1_CreateExperimentResponse_fields, &response);
    return STATUS_OK;
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
