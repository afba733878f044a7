// What happened in an experiment, numbered from 1, for those who watch it. Bounded: the oldest go first.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "rpc/rpc.h"
#include <stdbool.h>
#include <stdint.h>

struct events;
struct event_place;
struct watcher;

enum { EVENTS_BYTES_MAX = 8 << 20 };

enum { EVENT_REASONS = _cohort_v1_Reason_ARRAYSIZE };

// Of all events so far, those that are no longer kept too.
struct event_counts {
    uint64_t committed, accepted; // rounds; summaries
    uint64_t rejected[EVENT_REASONS];
    double round_seconds, summary_seconds, train_seconds, fetch_seconds; // sums
};

struct events *events_new(void); // NULL when out of memory
struct events *events_free(struct events *events);

// Adds an event (its cursor and time are filled in) and sends it to the watchers. An event that finds no
// memory is dropped and counts as lost. Not thread-safe: under the owner's lock, like everything here.
void events_add(struct events *events, cohort_v1_WatchExperimentResponse *event);
// Adds an event of which something is not known yet, at its place: watchers get it, and what comes after it,
// once events_complete was called with the rest filled in, which may not make it longer or shorter. NULL when
// there is no memory: it is lost.
struct event_place *events_add_early(struct events *events, cohort_v1_WatchExperimentResponse *event);
void events_complete(struct events *events, struct event_place *place,
                     const cohort_v1_WatchExperimentResponse *event);
const struct event_counts *events_counts(const struct events *events);
// No more will come: watchers are ended once they have everything.
void events_end(struct events *events);

// The kind of that name ("round_committed"), a bit; 0: there is none.
uint32_t events_kind(const char *name);
struct events_wanted {
    uint64_t cursor;    // the first; 0: all
    uint32_t kinds;     // bits of events_kind; 0: all
    uint32_t gather_ms; // how long one may wait for others, to travel together
};

// Sends events over `call`, of which it keeps a reference. NULL when out of memory.
struct watcher *events_watch(struct events *events, struct rpc_call *call,
                             const struct events_wanted *wanted);
// Sends what has waited long enough; the time at which it is to be called again, INT64_MAX: not before
// `wake`.
int64_t events_tick(struct events *events, int64_t now_ms);
// `wake` is called when something begins to wait.
void events_set_wake(struct events *events, void (*wake)(void *user), void *user);
// Goes on sending after the call became writable.
void watcher_pump(struct watcher *watcher);
struct watcher *watcher_free(struct watcher *watcher);
