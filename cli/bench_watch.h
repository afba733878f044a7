// An experiment's rounds as they are watched by `cohort bench`: how long each took.
#pragma once

#include "report/history.h"
#include "rpc/rpc.h"

struct bench_watch;

// `history` takes a row a committed round; the caller's again after the free.
enum status bench_watch_new(struct bench_watch **ret, struct rpc_channel *channel, const char *experiment_id,
                            struct history *history, struct error *error);
// Waits at most `ms` for the end of the experiment; true when it has ended, or the stream has, which
// bench_watch_status tells.
bool bench_watch_wait(struct bench_watch *watch, int ms);
enum status bench_watch_status(struct bench_watch *watch, struct error *error);
struct bench_watch *bench_watch_free(struct bench_watch *watch); // gives the stream up if it still runs
