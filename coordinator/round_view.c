// What the round machine is doing, for those who ask.
#include "coordinator/round_impl.h"
#include <math.h>

enum round_phase round_phase(const struct round *round)
{
    return round->phase;
}

enum round_outcome round_outcome(const struct round *round)
{
    return round->outcome;
}

uint32_t round_number(const struct round *round)
{
    return round->number;
}

uint32_t round_attempt(const struct round *round)
{
    return round->attempt;
}

uint64_t round_weight_unit(const struct round *round)
{
    return round->weight_unit;
}

bool round_pausing(const struct round *round)
{
    return round->pausing;
}

int64_t round_deadline(const struct round *round)
{
    return round->deadline_ms;
}

const struct slot *round_slot(const struct round *round, uint32_t slot)
{
    return &round->slots[slot];
}

uint32_t round_n_ready(const struct round *round)
{
    return round->n_ready;
}

const uint32_t *round_selected(const struct round *round)
{
    return round->options.continuous ? NULL : round->members;
}

uint32_t round_n_selected(const struct round *round)
{
    return round->n_selected;
}

uint32_t round_n_wanted(const struct round *round)
{
    return round->n_wanted;
}

uint32_t round_n_submitted(const struct round *round)
{
    return round->n_submitted;
}

uint32_t round_minimum(const struct round *round)
{
    return round->options.minimum ? round->options.minimum : 1;
}

// Selected, and may still deliver.
static uint32_t n_to_come(const struct round *round)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < round->n_selected; i++) {
        const struct slot *slot = &round->slots[round->members[i]];
        n += slot->task == TASK_ASSIGNED && slot->state == SLOT_READY;
        n += slot->task == TASK_UPLOADING && !slot->doomed;
    }
    return n;
}

uint32_t round_needed(const struct round *round, uint32_t n_summaries)
{
    uint32_t minimum = round_minimum(round), copies = round->options.copies;
    if (copies <= minimum || n_summaries >= copies)
        return minimum;
    uint32_t possible = n_summaries + n_to_come(round);
    uint32_t least = copies < possible ? copies : possible;
    return least > minimum ? least : minimum;
}

const struct round_options *round_options(const struct round *round)
{
    return &round->options;
}

bool round_awaits(const struct round *round, uint32_t slot, uint32_t number)
{
    const struct slot *it = &round->slots[slot];
    return (round->options.continuous || round->phase == ROUND_COLLECTING) && it->number == number &&
           (it->task == TASK_ASSIGNED || it->task == TASK_UPLOADING);
}

// ---- for the machine itself -----------------------------------------------------------------------------

uint64_t round_mean_weight(const struct round *round, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += round->slots[round->members[i]].weight;
    return n && sum / n ? sum / n : 1;
}

uint32_t round_share(const struct round *round, uint32_t n_members)
{
    uint32_t wanted = (uint32_t)ceil(round->options.fraction * n_members - 1e-9);
    uint32_t copies = round->options.copies < n_members ? round->options.copies : n_members;
    uint32_t least = copies > round_minimum(round) ? copies : round_minimum(round);
    return wanted < least ? least : wanted;
}

bool round_overdue(const struct round *round, int64_t now_ms)
{
    return now_ms >= round->deadline_ms && round->n_submitted >= round_needed(round, round->n_submitted);
}
