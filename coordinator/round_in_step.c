// Rounds under a synchronous schedule: whoever was selected starts from the same model, and the round commits
// when it has the summaries of all of them, or as many as were wanted, or the deadline has passed.
#include "coordinator/round_impl.h"
#include "coordinator/select.h"
#include <math.h>

static bool awaited(const struct round *round, uint32_t slot)
{
    enum slot_task task = round->slots[slot].task;
    return round->phase == ROUND_COLLECTING && (task == TASK_ASSIGNED || task == TASK_UPLOADING);
}

static void in_step_release(struct round *round)
{
    for (uint32_t i = 0; i < round->n_selected; i++)
        if (awaited(round, round->members[i]))
            round->operations.withdraw(round->user, round->members[i], round->number);
}

static int64_t left_ms(const struct round *round, int64_t now_ms)
{
    if (round->deadline_ms == INT64_MAX)
        return 0;
    return round->deadline_ms > now_ms ? round->deadline_ms - now_ms : 1;
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

static void in_step_begin(struct round *round, int64_t now_ms)
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

// Commits when everyone still awaited has submitted, or as many as were wanted, or the deadline has passed
// with the minimum in hand. An upload under way is waited for: its lease, not the deadline, ends it.
static void in_step_go_on(struct round *round, int64_t now_ms)
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
    in_step_release(round);
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

static void in_step_ready(struct round *round, uint32_t slot, bool fresh, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    (void)fresh;
    if (round->phase == ROUND_COLLECTING && it->task == TASK_ASSIGNED) // an upload under way goes on
        assign(round, slot, now_ms);
    else if (round->phase == ROUND_COLLECTING && it->paused) // by whoever has the same summary
        tell(round, slot, now_ms);
    else if (round->phase == ROUND_COLLECTING && it->task == TASK_UPLOADING)
        it->untold = true; // the upload may be of another process that is gone: then it breaks off
}

static void in_step_anew(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (awaited(round, slot) && round->slots[slot].task == TASK_ASSIGNED)
        assign(round, slot, now_ms);
}

static void in_step_declined(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (!awaited(round, slot))
        return;
    give_up(round, slot, now_ms);
    in_step_go_on(round, now_ms);
}

// Past the deadline it may have been waited for, for the sake of copies.
static void in_step_lost(struct round *round, int64_t now_ms)
{
    in_step_go_on(round, now_ms);
}

static void in_step_again(struct round *round, int64_t now_ms)
{
    collect_again(round, now_ms);
    in_step_go_on(round, now_ms);
}

static enum round_offer in_step_offer(const struct round *round, uint32_t slot, uint32_t number,
                                      uint32_t attempt, int64_t now_ms)
{
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

static bool in_step_counts(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt)
{
    (void)slot;
    return round->phase == ROUND_COLLECTING && number == round->number && attempt == round->attempt;
}

static enum round_whole in_step_whole(struct round *round, uint32_t slot, uint32_t *ret_staleness,
                                      int64_t now_ms)
{
    (void)now_ms;
    *ret_staleness = 0;
    round->slots[slot].upload = UPLOAD_FOLDS;
    return WHOLE_FOLD;
}

static void in_step_paused(struct round *round, uint32_t slot, int64_t now_ms)
{
    round->slots[slot].paused = true;
    if (round->slots[slot].untold)
        tell(round, slot, now_ms);
    round->slots[slot].untold = false;
}

static void in_step_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    if (spoilt && ++round->slots[slot].n_spoilt == ROUND_SPOILT_MAX)
        round->slots[slot].doomed = true;
    if (round->slots[slot].doomed)
        fail_slot(round, slot, now_ms);
    else if (!spoilt)
        assign(round, slot, now_ms);
    if (spoilt)
        collect_again(round, now_ms);
    in_step_go_on(round, now_ms);
}

static void in_step_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    fail_slot(round, slot, now_ms);
    if (spoilt)
        collect_again(round, now_ms);
    in_step_go_on(round, now_ms);
}

const struct round_flow flow_in_step = {
    .begin = in_step_begin,
    .go_on = in_step_go_on,
    .release = in_step_release,
    .ready = in_step_ready,
    .anew = in_step_anew,
    .declined = in_step_declined,
    .lost = in_step_lost,
    .again = in_step_again,
    .offer = in_step_offer,
    .counts = in_step_counts,
    .whole = in_step_whole,
    .paused = in_step_paused,
    .broken = in_step_broken,
    .rejected = in_step_rejected,
};
