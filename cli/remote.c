#include "cli/remote.h"
#include "base/clock.h"
#include "cli/access.h"
#include "cli/steer.h"
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_TIMEOUT_MS = 2000, PAUSE_MS = 200, WAIT_MAX_S = 1000000000 };

enum status remote_await(const struct remote *remote, struct error *error)
{
    int64_t wait_s = remote->wait_s < WAIT_MAX_S ? remote->wait_s : WAIT_MAX_S;
    int64_t until_ms = clock_monotonic_ms() + wait_s * 1000;
    for (;;) {
        enum status status = rpc_health_check(remote->runtime, remote->address, "", PROBE_TIMEOUT_MS, error);
        bool may_come = status == STATUS_UNAVAILABLE || status == STATUS_DEADLINE_EXCEEDED;
        if (!may_come || clock_monotonic_ms() >= until_ms)
            return status;
        usleep(PAUSE_MS * 1000);
    }
}

enum status remote_open(struct remote *remote, struct error *error)
{
    const char *preset = getenv("COHORT_COORDINATOR");
    if (!remote->address)
        remote->address = preset && *preset ? preset : "127.0.0.1:7070";
    TRY(rpc_runtime_new(&remote->runtime, 1, error));
    TRY(access_apply(remote->runtime, error));
    if (remote->wait_s > 0)
        TRY(remote_await(remote, error));
    return rpc_channel_new(&remote->channel, remote->runtime, remote->address, error);
}

void remote_close(struct remote *remote)
{
    if (remote->channel)
        rpc_channel_free(remote->channel);
    if (remote->runtime)
        rpc_runtime_free(remote->runtime);
    remote->channel = NULL;
    remote->runtime = NULL;
}

static enum status latest(const cohort_v1_ListExperimentsResponse *response, char ret_id[64],
                          struct error *error)
{
    if (response->experiments_count == 0)
        return error_set(error, STATUS_NOT_FOUND,
                         "the coordinator has no experiment yet; create one with `cohort submit FILE`");
    const cohort_v1_Experiment *last = &response->experiments[0];
    for (pb_size_t i = 1; i < response->experiments_count; i++)
        if (response->experiments[i].created_unix_ms >= last->created_unix_ms)
            last = &response->experiments[i];
    snprintf(ret_id, 64, "%s", last->id);
    return STATUS_OK;
}

enum status remote_experiment(const struct remote *remote, const char *wanted, char ret_id[64],
                              struct error *error)
{
    cohort_v1_ListExperimentsRequest request = cohort_v1_ListExperimentsRequest_init_zero;
    cohort_v1_ListExperimentsResponse response = cohort_v1_ListExperimentsResponse_init_zero;
    if (wanted && strlen(wanted) > 63)
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is no experiment's id: it is too long",
                         wanted);
    if (wanted) {
        snprintf(ret_id, 64, "%s", wanted);
        return STATUS_OK;
    }
    TRY(rpc_unary(remote->channel, "/cohort.v1.Coordinator/ListExperiments", CALL_TIMEOUT_MS,
                  cohort_v1_ListExperimentsRequest_fields, &request, cohort_v1_ListExperimentsResponse_fields,
                  &response, error));
    enum status status = latest(&response, ret_id, error);
    pb_release(cohort_v1_ListExperimentsResponse_fields, &response);
    return status;
}
