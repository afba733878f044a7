#include "agenda.h"

bool agenda_add(struct agenda *agenda, int64_t in_ms, struct event event)
{
    event.at_ms = agenda->now_ms + in_ms;
    event.order = agenda->order++;
    if (agenda->n_events == AGENDA_EVENTS_MAX)
        return false;
    agenda->events[agenda->n_events++] = event;
    return true;
}

bool agenda_next(struct agenda *agenda, struct event *ret)
{
    uint32_t best = 0;
    if (!agenda->n_events)
        return false;
    for (uint32_t i = 1; i < agenda->n_events; i++) {
        const struct event *a = &agenda->events[i], *b = &agenda->events[best];
        if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order))
            best = i;
    }
    *ret = agenda->events[best];
    agenda->events[best] = agenda->events[--agenda->n_events];
    agenda->now_ms = ret->at_ms;
    return true;
}
