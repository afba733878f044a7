// An experiment's events over gRPC, one after the other, until it ends.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "rpc/rpc.h"

struct watch;

// Starts to watch from the first event on. `event` is called on the queue thread, which owns what it touches
// until watch_wait has said that the stream ended; its first error is kept for watch_status.
enum status watch_new(struct watch **ret, struct rpc_channel *channel, const char *experiment_id,
                      enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event,
                                           struct error *error),
                      void *user, struct error *error);
// Waits at most `ms` for the end of the experiment; true when it has ended, or the stream has, which
// watch_status tells.
bool watch_wait(struct watch *watch, int ms);
enum status watch_status(const struct watch *watch, struct error *error);
struct watch *watch_free(struct watch *watch); // gives the stream up if it still runs; NULL is fine
