// An experiment's events over gRPC, one after the other, until it ends.
#pragma once

#include "base/arguments.h"
#include "cohort/v1/coordinator.pb.h"
#include "rpc/rpc.h"

struct event_stream;

struct event_wish {
    const char *experiment_id;
    uint64_t cursor;           // the first event; 0: all
    const struct texts *kinds; // "round_committed"; none or NULL: all; that some were lost is always told
    uint32_t gather_ms;        // how long an event may wait for others, to travel together
};

// Starts to watch. `event` is called on the queue thread, which owns what it touches until event_stream_wait
// has said that the stream ended; its first error is kept for event_stream_status.
enum status event_stream_new(struct event_stream **ret, struct rpc_channel *channel,
                             const struct event_wish *wish,
                             enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event,
                                                  struct error *error),
                             void *user, struct error *error);
// Waits at most `ms` for the end of the experiment; true when it has ended, or the stream has, which
// event_stream_status tells.
bool event_stream_wait(struct event_stream *stream, int ms);
enum status event_stream_status(const struct event_stream *stream, struct error *error);
struct event_stream *event_stream_free(
    struct event_stream *stream); // gives the stream up if it still runs; NULL is fine
