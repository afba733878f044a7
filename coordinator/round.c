#include "base/memory.h"
#include "coordinator/round_impl.h"
#include <assert.h>
#include <string.h>

struct round *round_new(const struct round_options *options, const struct round_operations *operations,
                        void *user)
{
    struct round *round = memory_zalloc(sizeof *round);
    if (!round)
        return NULL;
    round->options = *options;
    round->operations = *operations;
    round->user = user;
    round->flow = options->continuous ? &flow_continuous : &flow_in_step;
    round->deadline_ms = INT64_MAX;
    round->slots = memory_array(options->n_learners, sizeof *round->slots);
    round->members = memory_array(options->n_learners, sizeof *round->members);
    round->present = memory_array(options->n_learners, sizeof *round->present);
    return round->slots && round->members && round->present ? round : round_free(round);
}

struct round *round_free(struct round *round)
{
    if (!round)
        return NULL;
    memory_free(round->slots);
    memory_free(round->members);
    memory_free(round->present);
    return memory_free(round);
}

// ---- moving on ------------------------------------------------------------------------------------------

void round_enter(struct round *round, enum round_phase phase)
{
    if (round->phase == phase)
        return;
    round->phase = phase;
    round->operations.changed(round->user, phase);
}

void round_set_deadline(struct round *round, int64_t at_ms)
{
    round->deadline_ms = at_ms;
    round->operations.wake_at(round->user, at_ms);
}

void round_finish(struct round *round, enum round_outcome outcome)
{
    if (round->phase == ROUND_DONE)
        return;
    round->outcome = outcome;
    round->flow->release(round);
    round_set_deadline(round, INT64_MAX);
    round_enter(round, ROUND_DONE);
}

void round_set_task(struct round *round, uint32_t slot, enum slot_task task, int64_t now_ms)
{
    round->slots[slot].task = task;
    round->slots[slot].since_ms = now_ms;
    round->slots[slot].doomed = round->slots[slot].paused = round->slots[slot].untold = false;
}

void round_set_state(struct round *round, uint32_t slot, enum slot_state state)
{
    enum slot_state before = round->slots[slot].state;
    round->slots[slot].state = state;
    round->n_ready += (state == SLOT_READY) - (before == SLOT_READY);
    round->present_is_old |= (state == SLOT_EMPTY) != (before == SLOT_EMPTY);
}

// Every slot is looked at only after members came or left, not in every round.
uint32_t round_n_members(struct round *round)
{
    if (!round->present_is_old)
        return round->n_present;
    round->n_present = 0;
    for (uint32_t i = 0; i < round->options.n_learners; i++)
        if (round->slots[i].state != SLOT_EMPTY)
            round->present[round->n_present++] = i;
    round->present_is_old = false;
    return round->n_present;
}

uint32_t round_gather_members(struct round *round)
{
    uint32_t n = round_n_members(round);
    memcpy(round->members, round->present, n * sizeof *round->members);
    return n;
}

static void start_clock(struct round *round, int64_t now_ms)
{
    round_set_deadline(round, round->options.deadline_ms ? now_ms + round->options.deadline_ms : INT64_MAX);
}

void round_open(struct round *round, uint32_t n_selected, uint64_t weight_unit, int64_t now_ms)
{
    round->number++;
    round->attempt = 1;
    round->n_selected = n_selected;
    round->n_submitted = round->n_failed = round->n_again = 0;
    round->weight_unit = weight_unit;
    start_clock(round, now_ms);
    round_enter(round, ROUND_COLLECTING);
    round->operations.begin(round->user, round->number, n_selected, weight_unit);
}

// Between rounds: pause, end, or go on.
static void go_on(struct round *round, int64_t now_ms)
{
    if (round->number == round->options.rounds) {
        round->flow->release(round);
        round_enter(round, ROUND_EVALUATING);
    } else if (round->pausing) {
        round_enter(round, ROUND_PAUSED);
    } else {
        round->flow->begin(round, now_ms);
    }
}

void round_start_commit(struct round *round)
{
    round_set_deadline(round, INT64_MAX);
    round_enter(round, ROUND_COMMITTING);
    round->operations.commit(round->user, round->number, round->n_submitted);
}

// ---- events ---------------------------------------------------------------------------------------------

static void start_when_complete(struct round *round, int64_t now_ms)
{
    if (round->phase != ROUND_WAITING || !round->prepared)
        return;
    uint32_t needed = round->options.start_with ? round->options.start_with : round->options.n_learners;
    if (!round->filled && round_n_ready(round) < needed)
        return;
    round->filled = true;
    go_on(round, now_ms);
}

void round_prepared(struct round *round, int64_t now_ms)
{
    round->prepared = true;
    start_when_complete(round, now_ms);
}

void round_learner_ready(struct round *round, uint32_t slot, uint64_t weight, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    bool fresh = it->state == SLOT_EMPTY;
    round_set_state(round, slot, SLOT_READY);
    if (fresh || round->phase != ROUND_COLLECTING) // the weight unit of a round under way stands
        it->weight = weight;
    round->flow->ready(round, slot, fresh, now_ms);
    start_when_complete(round, now_ms);
}

void round_learner_lost(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->slots[slot].state == SLOT_READY)
        round_set_state(round, slot, SLOT_LOST);
    if (round->flow->lost)
        round->flow->lost(round, now_ms);
}

void round_learner_left(struct round *round, uint32_t slot, int64_t now_ms)
{
    round_set_state(round, slot, SLOT_EMPTY);
    round_declined(round, slot, now_ms);
}

void round_learner_anew(struct round *round, uint32_t slot, int64_t now_ms)
{
    round->flow->anew(round, slot, now_ms);
}

void round_declined(struct round *round, uint32_t slot, int64_t now_ms)
{
    round->flow->declined(round, slot, now_ms);
}

enum round_offer round_offer(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                             int64_t now_ms)
{
    return round->flow->offer(round, slot, number, attempt, now_ms);
}

void round_upload_begun(struct round *round, uint32_t slot, bool held, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_ASSIGNED && (held || !round->options.continuous));
    round_set_task(round, slot, TASK_UPLOADING, now_ms);
    round->slots[slot].upload = held ? UPLOAD_HELD : UPLOAD_STREAMS;
}

void round_upload_paused(struct round *round, uint32_t slot, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING && round->flow->paused);
    round->flow->paused(round, slot, now_ms);
}

void round_upload_resumed(struct round *round, uint32_t slot, int64_t now_ms)
{
    enum slot_upload upload = round->slots[slot].upload;
    assert(round->slots[slot].paused);
    round_set_task(round, slot, TASK_UPLOADING, now_ms);
    round->slots[slot].upload = upload;
}

bool round_upload_counts(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt)
{
    return round->slots[slot].task == TASK_UPLOADING && round->flow->counts(round, slot, number, attempt);
}

enum round_whole round_upload_whole(struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                                    uint32_t *ret_staleness, int64_t now_ms)
{
    *ret_staleness = 0;
    if (!round_upload_counts(round, slot, number, attempt))
        return WHOLE_VOID;
    return round->flow->whole(round, slot, ret_staleness, now_ms);
}

void round_upload_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING);
    round->flow->broken(round, slot, spoilt, now_ms);
}

void round_submitted(struct round *round, uint32_t slot, int64_t now_ms)
{
    assert(round->phase == ROUND_COLLECTING && round->slots[slot].task == TASK_UPLOADING);
    round_set_task(round, slot, TASK_SUBMITTED, now_ms);
    round->slots[slot].counted = true;
    round->n_submitted++;
    round->flow->go_on(round, now_ms);
}

void round_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING);
    round->flow->rejected(round, slot, spoilt, now_ms);
}

void round_committed(struct round *round, bool stored, int64_t now_ms)
{
    if (round->phase != ROUND_COMMITTING)
        return;
    if (!stored) {
        round_finish(round, ROUND_FAILED);
        return;
    }
    round->operations.evaluate(round->user, round->number);
    if (round->phase != ROUND_COMMITTING) // answered at once
        return;
    if (round->options.evaluation_decides)
        round_enter(round, ROUND_EVALUATING);
    else
        go_on(round, now_ms);
}

bool round_collect_again(struct round *round, int64_t now_ms)
{
    if (round->phase != ROUND_COMMITTING || round->n_again == ROUND_AGAIN_MAX || !round->flow->again)
        return false;
    round->n_again++;
    start_clock(round, now_ms);
    round_enter(round, ROUND_COLLECTING);
    round->flow->again(round, now_ms);
    return true;
}

void round_evaluated(struct round *round, uint32_t number, bool stop, int64_t now_ms)
{
    if (number != round->number || (round->phase != ROUND_EVALUATING && round->phase != ROUND_COMMITTING))
        return; // of an earlier round, while the next one is under way
    if (stop && number < round->options.rounds)
        round_finish(round, ROUND_STOPPED_EARLY);
    else if (number == round->options.rounds)
        round_finish(round, ROUND_COMPLETED);
    else
        go_on(round, now_ms);
}

void round_tick(struct round *round, int64_t now_ms)
{
    round->flow->go_on(round, now_ms);
}

void round_pause(struct round *round, int64_t now_ms)
{
    (void)now_ms;
    round->pausing = true;
    if (round->phase == ROUND_WAITING && round->filled)
        round_enter(round, ROUND_PAUSED);
}

void round_resume(struct round *round, int64_t now_ms)
{
    round->pausing = false;
    if (round->phase == ROUND_PAUSED)
        go_on(round, now_ms);
    else
        start_when_complete(round, now_ms);
}

void round_cancel(struct round *round, int64_t now_ms)
{
    (void)now_ms;
    round_finish(round, ROUND_CANCELLED);
}

void round_fail(struct round *round, int64_t now_ms)
{
    (void)now_ms;
    round_finish(round, ROUND_FAILED);
}
