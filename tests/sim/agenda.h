// What is to happen in a simulated world, in the order of a virtual clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { AGENDA_EVENTS_MAX = 4096 };

enum event_kind {
    LEARNER_READY,
    LEARNER_LOST,
    LEARNER_LEAVES,
    LEARNER_DECLINES,
    GOT_ASSIGNMENT, // it arrives at the learner
    FETCHED,
    TRAINED,
    UPLOAD_ENDS,
    FOLDED,
    COMMITTED,
    EVALUATED,
    TICK,
    PREPARED,
    PAUSE,
    RESUME,
    CANCEL,
    MISCHIEF,
};

struct event {
    int64_t at_ms;
    uint64_t order;
    enum event_kind kind;
    uint32_t slot, number, attempt;
    uint64_t tag; // of the learner's life, the upload, or the tick
    bool good;
};

struct agenda {
    int64_t now_ms;
    struct event events[AGENDA_EVENTS_MAX];
    uint32_t n_events;
    uint64_t order;
};

// False when the agenda is full.
bool agenda_add(struct agenda *agenda, int64_t in_ms, struct event event);
// The next event, those of the same time in the order in which they were added; the clock moves on to it.
// False when there is none.
bool agenda_next(struct agenda *agenda, struct event *ret);
