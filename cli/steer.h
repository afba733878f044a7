// Starting, looking after and stopping an experiment on a coordinator.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "experiment/experiment.h"
#include "rpc/rpc.h"

enum { CALL_TIMEOUT_MS = 30000 };

// Creates an experiment, resolved; `ret_id` holds its id. When not empty, `request_id` makes asking again
// find the experiment that it made the first time.
enum status steer_create(struct rpc_channel *channel, const struct experiment *experiment,
                         const char *request_id, char ret_id[64], struct error *error);
// How it is; and who attends it, or with an empty id who attends the coordinator. What they return is
// released with pb_release.
enum status steer_experiment(struct rpc_channel *channel, const char *id,
                             cohort_v1_GetExperimentResponse *ret, struct error *error);
enum status steer_learners(struct rpc_channel *channel, const char *id, cohort_v1_ListLearnersResponse *ret,
                           struct error *error);
// The most memory that a learner's process used whose name begins so; 0 where nobody tells.
uint64_t steer_learner_peak(struct rpc_channel *channel, const char *name_start);
// OK for one that completed, else what became of it.
enum status steer_outcome(const cohort_v1_Experiment *experiment, struct error *error);
// Cancels it; that it is over already is no matter.
void steer_cancel(struct rpc_channel *channel, const char *id, const char *message);
