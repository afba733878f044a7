// The machine as it was when its owner's process ended.
#include "coordinator/round_impl.h"

void round_restore_slot(struct round *round, uint32_t slot, uint64_t weight)
{
    round_set_state(round, slot, SLOT_LOST);
    round->slots[slot].weight = weight;
    round->filled = true;
}

void round_restore_commit(struct round *round, uint32_t number)
{
    round->prepared = round->filled = true;
    round->number = number;
    round->attempt = 1;
    round->phase = ROUND_COMMITTING;
}

void round_restore_outcome(struct round *round, enum round_outcome outcome, uint32_t number)
{
    round->number = number;
    round->outcome = outcome;
    round->phase = ROUND_DONE;
}
