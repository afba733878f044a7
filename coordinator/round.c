#include "base/memory.h"
#include "coordinator/round_impl.h"
#include "coordinator/select.h"
#include <assert.h>
#include <math.h>
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

static bool awaited(const struct round *round, uint32_t slot)
{
    enum slot_task task = round->slots[slot].task;
    return round->phase == ROUND_COLLECTING && (task == TASK_ASSIGNED || task == TASK_UPLOADING);
}

static void withdraw_awaited(struct round *round)
{
    for (uint32_t i = 0; i < round->n_selected; i++)
        if (awaited(round, round->members[i]))
            round->operations.withdraw(round->user, round->members[i], round->number);
}

void round_finish(struct round *round, enum round_outcome outcome)
{
    if (round->phase == ROUND_DONE)
        return;
    round->outcome = outcome;
    if (round->options.continuous)
        continuous_release(round);
    else
        withdraw_awaited(round);
    round_set_deadline(round, INT64_MAX);
    round_enter(round, ROUND_DONE);
}

static int64_t left_ms(const struct round *round, int64_t now_ms)
{
    if (round->deadline_ms == INT64_MAX)
        return 0;
    return round->deadline_ms > now_ms ? round->deadline_ms - now_ms : 1;
}

void round_set_task(struct round *round, uint32_t slot, enum slot_task task, int64_t now_ms)
{
    round->slots[slot].task = task;
    round->slots[slot].since_ms = now_ms;
    round->slots[slot].doomed = round->slots[slot].paused = round->slots[slot].untold = false;
}

static void tell(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->slots[slot].state == SLOT_READY)
        round->operations.assign(round->user, slot, round->number, round->attempt, round->weight_unit,
                                 left_ms(round, now_ms));
}

static void assign(struct round *round, uint32_t slot, int64_t now_ms)
{
    round_set_task(round, slot, TASK_ASSIGNED, now_ms);
    round->slots[slot].number = round->number;
    tell(round, slot, now_ms);
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

// As many as are wanted, times the over-selection, of whom the first ones will do (Bonawitz et al. 2019,
// section 2.2).
static uint32_t n_to_select(const struct round *round, uint32_t n_wanted, uint32_t n_members)
{
    double more = ceil(round->options.over_selection * n_wanted - 1e-9);
    uint32_t n = more < n_members ? (uint32_t)more : n_members;
    return n < n_wanted ? n_wanted : n;
}

static void forget_summary(struct slot *slot)
{
    slot->counted = false;
    slot->n_spoilt = 0;
}

// Those of the last round are free: all others are already.
static void release_selected(struct round *round, int64_t now_ms)
{
    for (uint32_t i = 0; i < round->n_selected; i++) {
        round_set_task(round, round->members[i], TASK_NONE, now_ms);
        forget_summary(&round->slots[round->members[i]]);
    }
}

static void begin_round(struct round *round, int64_t now_ms)
{
    uint32_t n_members = round_n_members(round), wanted = round_share(round, n_members);
    if (n_members < wanted) { // until enough have joined again
        round_enter(round, ROUND_WAITING);
        return;
    }
    uint32_t n = n_to_select(round, wanted, n_members);
    round->n_wanted = wanted;
    release_selected(round, now_ms);
    round_gather_members(round);
    select_uniform(round->options.seed, round->number + 1, round->members, n_members, n);
    round_open(round, n, round_mean_weight(round, n), now_ms);
    for (uint32_t i = 0; i < n; i++)
        assign(round, round->members[i], now_ms);
}

// Between rounds: pause, end, or go on.
static void go_on(struct round *round, int64_t now_ms)
{
    if (round->number == round->options.rounds) {
        if (round->options.continuous)
            continuous_release(round);
        round_enter(round, ROUND_EVALUATING);
    } else if (round->pausing) {
        round_enter(round, ROUND_PAUSED);
    } else if (round->options.continuous) {
        continuous_begin(round, now_ms);
    } else {
        begin_round(round, now_ms);
    }
}

// With as many summaries as were wanted, the rest is done without, as far as it leaves no trace.
static bool enough(const struct round *round)
{
    return round->n_submitted >= round->n_wanted;
}

static bool held_up(const struct round *round)
{
    for (uint32_t i = 0; i < round->n_selected; i++) {
        const struct slot *slot = &round->slots[round->members[i]];
        if (slot->task == TASK_UPLOADING && !(enough(round) && slot->upload == UPLOAD_HELD))
            return true;
    }
    return false;
}

static void fail_slot(struct round *round, uint32_t slot, int64_t now_ms)
{
    round_set_task(round, slot, TASK_FAILED, now_ms);
    round->n_failed++;
}

// Nothing more is expected of the slot's learner. Of an upload under way the end is waited for all the same:
// parts of it may be in the reduction.
static void give_up(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->slots[slot].task == TASK_UPLOADING)
        round->slots[slot].doomed = true;
    else
        fail_slot(round, slot, now_ms);
}

// What is under way may end, nothing new begins.
static bool closing(const struct round *round, int64_t now_ms)
{
    return round_overdue(round, now_ms) || enough(round);
}

void round_start_commit(struct round *round)
{
    round_set_deadline(round, INT64_MAX);
    round_enter(round, ROUND_COMMITTING);
    round->operations.commit(round->user, round->number, round->n_submitted);
}

// Commits when everyone still awaited has submitted, or as many as were wanted, or the deadline has passed
// with the minimum in hand. An upload under way is waited for: its lease, not the deadline, ends it.
static void consider(struct round *round, int64_t now_ms)
{
    if (round->phase != ROUND_COLLECTING)
        return;
    uint32_t possible = round->n_selected - round->n_failed;
    if (possible < round_minimum(round)) {
        round_finish(round, ROUND_FAILED);
        return;
    }
    bool all = round->n_submitted == possible;
    if ((!all && !closing(round, now_ms)) || held_up(round))
        return;
    withdraw_awaited(round);
    round_start_commit(round);
}

// Parts of a summary that will never be whole are in the reduction: start it over.
static void collect_again(struct round *round, int64_t now_ms)
{
    round->attempt++;
    round->n_submitted = 0;
    for (uint32_t i = 0; i < round->n_selected; i++)
        round->slots[round->members[i]].counted = false;
    round->operations.begin(round->user, round->number, round->n_selected, round->weight_unit);
    for (uint32_t i = 0; i < round->n_selected; i++) {
        uint32_t slot = round->members[i];
        if (round->slots[slot].task == TASK_FAILED)
            continue;
        if (round->slots[slot].doomed || round->slots[slot].state == SLOT_EMPTY)
            fail_slot(round, slot, now_ms); // nobody is there to send it again
        else
            assign(round, slot, now_ms);
    }
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
    if (round->options.continuous)
        continuous_ready(round, slot, fresh, now_ms);
    else if (round->phase == ROUND_COLLECTING && it->task == TASK_ASSIGNED) // an upload under way goes on
        assign(round, slot, now_ms);
    else if (round->phase == ROUND_COLLECTING && it->paused) // by whoever has the same summary
        tell(round, slot, now_ms);
    else if (round->phase == ROUND_COLLECTING && it->task == TASK_UPLOADING)
        it->untold = true; // the upload may be of another process that is gone: then it breaks off
    start_when_complete(round, now_ms);
}

void round_learner_lost(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->slots[slot].state == SLOT_READY)
        round_set_state(round, slot, SLOT_LOST);
    if (!round->options.continuous)
        consider(round, now_ms); // past the deadline it may have been waited for, for the sake of copies
}

void round_learner_left(struct round *round, uint32_t slot, int64_t now_ms)
{
    round_set_state(round, slot, SLOT_EMPTY);
    round_declined(round, slot, now_ms);
}

void round_learner_anew(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->options.continuous)
        continuous_anew(round, slot, now_ms);
    else if (awaited(round, slot) && round->slots[slot].task == TASK_ASSIGNED)
        assign(round, slot, now_ms);
}

void round_declined(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (round->options.continuous)
        continuous_declined(round, slot, now_ms);
    if (round->options.continuous || !awaited(round, slot))
        return;
    give_up(round, slot, now_ms);
    consider(round, now_ms);
}

enum round_offer round_offer(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                             int64_t now_ms)
{
    if (round->options.continuous && round->phase != ROUND_DONE)
        return continuous_offer(round, slot, number);
    if (round->phase != ROUND_COLLECTING || number != round->number)
        return OFFER_WRONG_ROUND;
    switch (round->slots[slot].task) {
    case TASK_SUBMITTED:
        return attempt == round->attempt ? OFFER_HAVE : OFFER_SUPERSEDED;
    case TASK_UPLOADING:
        if (attempt != round->attempt)
            return OFFER_SUPERSEDED;
        return round->slots[slot].paused ? OFFER_TAKE : OFFER_BUSY;
    case TASK_ASSIGNED:
        if (attempt != round->attempt)
            return OFFER_SUPERSEDED;
        return closing(round, now_ms) ? OFFER_LATE : OFFER_TAKE;
    default:
        return OFFER_NOT_SELECTED;
    }
}

void round_upload_begun(struct round *round, uint32_t slot, bool held, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_ASSIGNED && (held || !round->options.continuous));
    round_set_task(round, slot, TASK_UPLOADING, now_ms);
    round->slots[slot].upload = held ? UPLOAD_HELD : UPLOAD_STREAMS;
}

void round_upload_paused(struct round *round, uint32_t slot, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING && !round->options.continuous);
    round->slots[slot].paused = true;
    if (round->slots[slot].untold)
        tell(round, slot, now_ms);
    round->slots[slot].untold = false;
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
    if (round->options.continuous)
        return continuous_counts(round, slot, number);
    return round->phase == ROUND_COLLECTING && number == round->number && attempt == round->attempt &&
           round->slots[slot].task == TASK_UPLOADING;
}

enum round_whole round_upload_whole(struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                                    uint32_t *ret_staleness, int64_t now_ms)
{
    *ret_staleness = 0;
    if (!round_upload_counts(round, slot, number, attempt))
        return WHOLE_VOID;
    if (round->options.continuous)
        return continuous_whole(round, slot, ret_staleness, now_ms);
    round->slots[slot].upload = UPLOAD_FOLDS;
    return WHOLE_FOLD;
}

void round_upload_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING);
    if (round->options.continuous) {
        continuous_broken(round, slot, now_ms);
        return;
    }
    if (spoilt && ++round->slots[slot].n_spoilt == ROUND_SPOILT_MAX)
        round->slots[slot].doomed = true;
    if (round->slots[slot].doomed)
        fail_slot(round, slot, now_ms);
    else if (!spoilt)
        assign(round, slot, now_ms);
    if (spoilt)
        collect_again(round, now_ms);
    consider(round, now_ms);
}

void round_submitted(struct round *round, uint32_t slot, int64_t now_ms)
{
    assert(round->phase == ROUND_COLLECTING && round->slots[slot].task == TASK_UPLOADING);
    round_set_task(round, slot, TASK_SUBMITTED, now_ms);
    round->slots[slot].counted = true;
    round->n_submitted++;
    if (round->options.continuous)
        continuous_go_on(round, now_ms);
    else
        consider(round, now_ms);
}

void round_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->slots[slot].task == TASK_UPLOADING);
    if (round->options.continuous) {
        round_set_task(round, slot, TASK_FAILED, now_ms);
        continuous_go_on(round, now_ms);
        return;
    }
    fail_slot(round, slot, now_ms);
    if (spoilt)
        collect_again(round, now_ms);
    consider(round, now_ms);
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
    if (round->phase != ROUND_COMMITTING || round->n_again == ROUND_AGAIN_MAX)
        return false;
    round->n_again++;
    start_clock(round, now_ms);
    round_enter(round, ROUND_COLLECTING);
    collect_again(round, now_ms);
    consider(round, now_ms);
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
    if (round->options.continuous)
        continuous_go_on(round, now_ms);
    else
        consider(round, now_ms);
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
