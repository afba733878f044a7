#include "coordinator/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include <math.h>
#include <pb_encode.h>
#include <string.h>

struct event_place {
    struct event_place *next;
    uint64_t cursor;
    uint32_t kind; // a bit
    bool early;    // not to be sent yet
    size_t n;
    uint8_t bytes[]; // encoded: a tenth of the struct
};

struct events {
    struct event_place *first, *last;
    uint64_t next_cursor;
    size_t n_bytes;
    bool ended;
    struct watcher *watchers;
    struct event_counts counts;
    void (*wake)(void *user); // NULL: nobody asked
    void *wake_user;
};

struct watcher {
    struct watcher *next;
    struct events *events;
    struct rpc_call *call;
    struct event_place *at; // the next to send; NULL: up to date
    uint64_t cursor;        // of the next to send
    uint32_t kinds;         // that are wanted; 0: all
    int64_t gather_ms;      // how long one may wait
    int64_t due_ms;         // when those that wait go; 0: none does
    bool blocked;           // the peer reads slowly: until the call is writable
    bool finished;
};

static const struct {
    const char *name;
    pb_size_t tag;
} KINDS[] = {
    {"state_changed", cohort_v1_WatchExperimentResponse_state_changed_tag},
    {"round_started", cohort_v1_WatchExperimentResponse_round_started_tag},
    {"round_committed", cohort_v1_WatchExperimentResponse_round_committed_tag},
    {"round_evaluated", cohort_v1_WatchExperimentResponse_round_evaluated_tag},
    {"learner_changed", cohort_v1_WatchExperimentResponse_learner_changed_tag},
    {"learner_evaluated", cohort_v1_WatchExperimentResponse_learner_evaluated_tag},
    {"summary_accepted", cohort_v1_WatchExperimentResponse_summary_accepted_tag},
    {"summary_rejected", cohort_v1_WatchExperimentResponse_summary_rejected_tag},
};

static uint32_t bit_of(pb_size_t tag)
{
    return (uint32_t)1 << tag;
}

uint32_t events_kind(const char *name)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcmp(KINDS[i].name, name))
            return bit_of(KINDS[i].tag);
    return 0;
}

struct events *events_new(void)
{
    struct events *events = memory_zalloc(sizeof *events);
    if (events)
        events->next_cursor = 1;
    return events;
}

struct events *events_free(struct events *events)
{
    if (!events)
        return NULL;
    while (events->watchers)
        watcher_free(events->watchers);
    while (events->first) {
        struct event_place *next = events->first->next;
        memory_free(events->first);
        events->first = next;
    }
    return memory_free(events);
}

static void drop_first(struct events *events)
{
    struct event_place *first = events->first;
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        if (watcher->at == first)
            watcher->at = first->next;
    events->first = first->next;
    if (!events->first)
        events->last = NULL;
    events->n_bytes -= sizeof *first + first->n;
    memory_free(first);
}

static struct event_place *store(struct events *events, cohort_v1_WatchExperimentResponse *event)
{
    size_t n = 0;
    if (!pb_get_encoded_size(&n, cohort_v1_WatchExperimentResponse_fields, event))
        return NULL;
    struct event_place *stored = memory_zalloc(sizeof *stored + n);
    if (!stored)
        return NULL;
    pb_ostream_t stream = pb_ostream_from_buffer(stored->bytes, n);
    if (!pb_encode(&stream, cohort_v1_WatchExperimentResponse_fields, event))
        return memory_free(stored);
    stored->cursor = event->cursor;
    stored->kind = bit_of(event->which_event);
    stored->n = n;
    if (events->last)
        events->last->next = stored;
    else
        events->first = stored;
    events->last = stored;
    events->n_bytes += sizeof *stored + n;
    return stored;
}

static double seconds_of(double told)
{
    return isfinite(told) && told > 0 ? told : 0; // some are what a learner says
}

static void count(struct event_counts *counts, const cohort_v1_WatchExperimentResponse *event)
{
    if (event->which_event == cohort_v1_WatchExperimentResponse_round_committed_tag) {
        counts->committed++;
        counts->round_seconds += seconds_of(event->event.round_committed.seconds);
    } else if (event->which_event == cohort_v1_WatchExperimentResponse_summary_accepted_tag) {
        const cohort_v1_SummaryAccepted *it = &event->event.summary_accepted;
        counts->accepted++;
        counts->summary_seconds += seconds_of(it->seconds);
        counts->train_seconds += seconds_of(it->train_seconds);
        counts->fetch_seconds += seconds_of(it->fetch_seconds);
    } else if (event->which_event == cohort_v1_WatchExperimentResponse_summary_rejected_tag) {
        size_t reason = (size_t)event->event.summary_rejected.reason;
        counts->rejected[reason < EVENT_REASONS ? reason : 0]++;
    }
}

const struct event_counts *events_counts(const struct events *events)
{
    return &events->counts;
}

static void pump(struct events *events)
{
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next) {
        if (watcher->blocked || watcher->due_ms)
            continue;
        if (!watcher->gather_ms || !events->wake) {
            watcher_pump(watcher);
            continue;
        }
        watcher->due_ms = clock_monotonic_ms() + watcher->gather_ms;
        events->wake(events->wake_user);
    }
}

int64_t events_tick(struct events *events, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next) {
        if (watcher->due_ms && watcher->due_ms <= now_ms) {
            watcher->due_ms = 0;
            watcher_pump(watcher);
        }
        if (watcher->due_ms && watcher->due_ms < next_ms)
            next_ms = watcher->due_ms;
    }
    return next_ms;
}

void events_set_wake(struct events *events, void (*wake)(void *user), void *user)
{
    events->wake = wake;
    events->wake_user = user;
}

static struct event_place *add(struct events *events, cohort_v1_WatchExperimentResponse *event, bool early)
{
    event->cursor = events->next_cursor++;
    event->unix_ms = clock_unix_ms();
    count(&events->counts, event);
    struct event_place *stored = store(events, event);
    if (stored)
        stored->early = early;
    while (events->n_bytes > EVENTS_BYTES_MAX && events->first != events->last && !events->first->early)
        drop_first(events);
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        if (!watcher->at)
            watcher->at = stored;
    pump(events);
    return stored;
}

void events_add(struct events *events, cohort_v1_WatchExperimentResponse *event)
{
    add(events, event, false);
}

struct event_place *events_add_early(struct events *events, cohort_v1_WatchExperimentResponse *event)
{
    return add(events, event, true);
}

void events_complete(struct events *events, struct event_place *place,
                     const cohort_v1_WatchExperimentResponse *event)
{
    if (!place)
        return;
    pb_ostream_t stream = pb_ostream_from_buffer(place->bytes, place->n);
    if (!pb_encode(&stream, cohort_v1_WatchExperimentResponse_fields, event) ||
        stream.bytes_written != place->n)
        log_error("an event changed its length; it is sent as it was");
    place->early = false;
    pump(events);
}

void events_end(struct events *events)
{
    events->ended = true;
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        watcher_pump(watcher);
}

struct watcher *events_watch(struct events *events, struct rpc_call *call, const struct events_wanted *wanted)
{
    struct watcher *watcher = memory_zalloc(sizeof *watcher);
    if (!watcher)
        return NULL;
    *watcher = (struct watcher){.next = events->watchers,
                                .events = events,
                                .call = rpc_call_ref(call),
                                .cursor = wanted->cursor ? wanted->cursor : 1,
                                .kinds = wanted->kinds,
                                .gather_ms = wanted->gather_ms};
    if (watcher->cursor > events->next_cursor)
        watcher->cursor = events->next_cursor; // from before a restart
    watcher->at = events->first;
    while (watcher->at && watcher->at->cursor < watcher->cursor)
        watcher->at = watcher->at->next;
    events->watchers = watcher;
    return watcher;
}

static enum status send_lost(struct watcher *watcher)
{
    cohort_v1_WatchExperimentResponse lost = cohort_v1_WatchExperimentResponse_init_zero;
    lost.cursor = watcher->cursor;
    lost.unix_ms = clock_unix_ms();
    lost.which_event = cohort_v1_WatchExperimentResponse_events_lost_tag;
    lost.event.events_lost.first_kept = watcher->at->cursor;
    return rpc_call_send(watcher->call, cohort_v1_WatchExperimentResponse_fields, &lost, NULL);
}

void watcher_pump(struct watcher *watcher)
{
    while (watcher->at && !watcher->at->early) {
        if (watcher->at->cursor > watcher->cursor) {
            watcher->blocked = send_lost(watcher) != STATUS_OK;
            if (watcher->blocked)
                return;
            watcher->cursor = watcher->at->cursor;
        }
        watcher->blocked =
            (!watcher->kinds || watcher->kinds & watcher->at->kind) &&
            rpc_call_send_encoded(watcher->call, watcher->at->bytes, watcher->at->n, NULL) != STATUS_OK;
        if (watcher->blocked)
            return; // `writable` comes
        watcher->cursor++;
        watcher->at = watcher->at->next;
    }
    if (!watcher->at && watcher->events->ended && !watcher->finished) {
        watcher->finished = true;
        rpc_call_finish(watcher->call, STATUS_OK, "");
    }
}

struct watcher *watcher_free(struct watcher *watcher)
{
    if (!watcher)
        return NULL;
    struct watcher **link = &watcher->events->watchers;
    while (*link != watcher)
        link = &(*link)->next;
    *link = watcher->next;
    rpc_call_unref(watcher->call);
    return memory_free(watcher);
}
