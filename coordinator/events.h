// What happened in an experiment, numbered from 1, for those who watch it. Bounded: the oldest go first.
#pragma once

#include "cohort/v1/coordinator.pb.h"
#include "rpc/rpc.h"
#include <stdbool.h>
#include <stdint.h>

struct events;
struct watcher;

enum { EVENTS_BYTES_MAX = 8 << 20 };

struct events *events_new(void); // NULL when out of memory
struct events *events_free(struct events *events);

// Adds an event (its cursor and time are filled in) and sends it to the watchers. An event that finds no
// memory is dropped and counts as lost. Not thread-safe: under the owner's lock, like everything here.
void events_add(struct events *events, cohort_v1_WatchExperimentResponse *event);
// No more will come: watchers are ended once they have everything.
void events_end(struct events *events);

// Sends events from `cursor` on over `call`, of which it keeps a reference. NULL when out of memory.
struct watcher *events_watch(struct events *events, struct rpc_call *call, uint64_t cursor);
// Goes on sending after the call became writable.
void watcher_pump(struct watcher *watcher);
struct watcher *watcher_free(struct watcher *watcher);
