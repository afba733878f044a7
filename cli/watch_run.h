// An experiment as it is watched by `cohort run`: events over gRPC become metrics, progress and the report.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "report/progress.h"
#include "report/run.h"
#include "rpc/rpc.h"

struct run_watch;

struct run_watch_options {
    struct rpc_channel *channel;
    const char *experiment_id;
    uint32_t n_learners;
    bool evaluated;  // every round is evaluated: its line waits for that
    struct run *run; // takes the records
    struct progress *progress;
};

enum status run_watch_new(struct run_watch **ret, const struct run_watch_options *options,
                          struct error *error);
// Waits at most `ms` for the end of the experiment; true when it has ended (or the stream has, which
// run_watch_status tells).
bool run_watch_wait(struct run_watch *watch, int ms);
enum status run_watch_status(struct run_watch *watch, struct error *error);
struct run_watch *run_watch_free(struct run_watch *watch); // gives the stream up if it still runs
