// Starting and stopping an experiment on a coordinator.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "experiment/experiment.h"
#include "rpc/rpc.h"

enum { CALL_TIMEOUT_MS = 30000 };

// Creates an experiment, resolved; `ret_id` holds its id. When not empty, `request_id` makes asking again
// find the experiment that it made the first time.
enum status steer_create(struct rpc_channel *channel, const struct experiment *experiment,
                         const char *request_id, char ret_id[64], struct error *error);
// OK for one that completed, else what became of it.
enum status steer_outcome(const cohort_v1_Experiment *experiment, struct error *error);
// Cancels it; that it is over already is no matter.
void steer_cancel(struct rpc_channel *channel, const char *id, const char *message);
