// Rounds under a continuous schedule: learners train on from the model that they fetched while rounds are
// committed (Xie, Koyejo and Gupta 2019, Algorithm 1, with a target of one; Nguyen, Malik, Zhan, Yousefpour,
// Rabbat, Malek and Huba 2022, Algorithm 1, with a target of K; semi-synchronous by a deadline alone).
#include "coordinator/round_impl.h"
#include "coordinator/select.h"
#include <assert.h>

static bool busy(const struct slot *slot)
{
    return slot->task == TASK_ASSIGNED || slot->task == TASK_UPLOADING || slot->task == TASK_PARKED;
}

// Its learner may start from the present model: it is there, has nothing to do, and has not started from that
// model before.
static bool eligible(const struct round *round, const struct slot *slot)
{
    return slot->state == SLOT_READY && !busy(slot) && slot->number < round->number;
}

static bool failed_now(const struct round *round, const struct slot *slot)
{
    return slot->state != SLOT_EMPTY && slot->task == TASK_FAILED && slot->number == round->number &&
           !slot->counted;
}

// It has counted in this round and keeps its place until the next one.
static bool has_place(const struct round *round, const struct slot *slot)
{
    return slot->counted && !round->options.refills;
}

struct census {
    uint32_t n_members, n_failed;
    uint32_t n_taken;    // places
    uint32_t n_eligible; // learners that would take one
    uint32_t n_back;     // those that may start again in a place of their own
    uint32_t n_free;     // places
    uint32_t n_awaited;  // slots whose learner has yet to bring its first summary of this round
    bool folding;
};

static struct census count(const struct round *round)
{
    struct census census = {0};
    for (uint32_t i = 0; i < round->options.n_learners; i++) {
        const struct slot *slot = &round->slots[i];
        census.n_members += slot->state != SLOT_EMPTY;
        census.n_failed += failed_now(round, slot);
        // Who waits for the next round with a parked summary lets others bring it about.
        census.n_taken += (busy(slot) && slot->task != TASK_PARKED) || has_place(round, slot);
        census.n_eligible += eligible(round, slot) && !has_place(round, slot);
        census.n_back += eligible(round, slot) && has_place(round, slot);
        census.n_awaited += busy(slot) && slot->task != TASK_PARKED && !slot->counted;
        census.folding |= slot->task == TASK_UPLOADING && slot->upload == UPLOAD_FOLDS;
    }
    uint32_t places = round_share(round, census.n_members);
    census.n_free = places > census.n_taken ? places - census.n_taken : 0;
    return census;
}

static void send_assignment(struct round *round, uint32_t slot)
{
    round->operations.assign(round->user, slot, round->slots[slot].number, round->attempt, round->weight_unit,
                             0);
}

static void start(struct round *round, uint32_t slot, int64_t now_ms)
{
    round_set_task(round, slot, TASK_ASSIGNED, now_ms);
    round->slots[slot].number = round->number;
    send_assignment(round, slot);
}

// Gives free places to learners that may start.
static void fill(struct round *round, const struct census *census, int64_t now_ms)
{
    uint32_t n = census->n_free < census->n_eligible ? census->n_free : census->n_eligible, n_waiting = 0;
    if (n == 0 && census->n_back == 0)
        return;
    for (uint32_t i = 0; i < round->options.n_learners; i++) {
        if (!eligible(round, &round->slots[i]))
            continue;
        if (has_place(round, &round->slots[i]))
            start(round, i, now_ms);
        else
            round->members[n_waiting++] = i;
    }
    select_uniform(round->options.seed, round->number, round->members, n_waiting, n);
    for (uint32_t i = 0; i < n; i++)
        start(round, round->members[i], now_ms);
}

// Time to commit: the target is reached, the deadline has passed with the minimum in hand, or nobody else is
// awaited.
static bool complete(const struct round *round, const struct census *census, int64_t now_ms)
{
    if (round->options.target && round->n_submitted >= round->options.target)
        return true;
    if (round_overdue(round, now_ms))
        return true;
    bool more = census->n_awaited || (census->n_eligible && (census->n_free || round->options.refills));
    return !more && round->n_submitted >= round_minimum(round);
}

static void continuous_go_on(struct round *round, int64_t now_ms)
{
    if (round->phase != ROUND_COLLECTING)
        return;
    struct census census = count(round);
    if (complete(round, &census, now_ms)) {
        if (!census.folding)
            round_start_commit(round);
        return;
    }
    // Who failed in this round is asked again in the next one, which cannot come. Too few members, on the
    // other hand, may become more.
    if (census.n_members >= round_minimum(round) && census.n_members - census.n_failed < round_minimum(round))
        round_finish(round, ROUND_FAILED);
    else
        fill(round, &census, now_ms);
}

static void continuous_begin(struct round *round, int64_t now_ms)
{
    uint32_t n_members = round_gather_members(round);
    if (n_members < round_minimum(round)) { // until enough have joined again
        round_enter(round, ROUND_WAITING);
        return;
    }
    uint32_t places = round_share(round, n_members);
    round->n_wanted = round->options.target < n_members ? round->options.target : n_members;
    for (uint32_t i = 0; i < round->options.n_learners; i++)
        round->slots[i].counted = false;
    round_open(round, places < n_members ? places : n_members, round_mean_weight(round, n_members), now_ms);
    for (uint32_t i = 0; i < round->options.n_learners; i++) {
        struct slot *slot = &round->slots[i];
        if (slot->task != TASK_PARKED)
            continue;
        round_set_task(round, i, TASK_UPLOADING, now_ms);
        slot->upload = UPLOAD_FOLDS;
        round->operations.admit(round->user, i, round->number - slot->number);
    }
    continuous_go_on(round, now_ms);
}

static void continuous_release(struct round *round)
{
    for (uint32_t i = 0; i < round->options.n_learners; i++) {
        struct slot *slot = &round->slots[i];
        if (slot->task == TASK_ASSIGNED || slot->task == TASK_UPLOADING)
            round->operations.withdraw(round->user, i, slot->number);
        slot->task = TASK_NONE;
    }
}

static void continuous_ready(struct round *round, uint32_t slot, bool fresh, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    if (fresh && !busy(it)) { // whoever takes the place may start at once
        round_set_task(round, slot, TASK_NONE, now_ms);
        it->number = 0;
    }
    if (it->task == TASK_ASSIGNED && round->phase != ROUND_DONE)
        send_assignment(round, slot);
    else
        continuous_go_on(round, now_ms);
}

static void continuous_anew(struct round *round, uint32_t slot, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    if (it->task != TASK_ASSIGNED)
        return;
    if (it->number < round->number) {
        round_set_task(round, slot, TASK_NONE, now_ms);
        continuous_go_on(round, now_ms);
    } else {
        send_assignment(round, slot);
    }
}

// Of an upload under way the end is waited for all the same; a parked summary goes with its learner.
static void continuous_declined(struct round *round, uint32_t slot, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    if (it->task == TASK_UPLOADING)
        it->doomed = true;
    else if (it->task == TASK_ASSIGNED || (it->task == TASK_PARKED && it->state == SLOT_EMPTY))
        round_set_task(round, slot, TASK_FAILED, now_ms);
    continuous_go_on(round, now_ms);
}

// A summary of the slot that is whole now counts in the round under way, not in the next one.
static bool in_time(const struct round *round, uint32_t slot)
{
    bool full = round->options.target && round->n_submitted >= round->options.target;
    return round->phase == ROUND_COLLECTING && !full && !round->slots[slot].counted;
}

// Commits from the slot's model to the round in which a summary that is whole now will count.
static uint32_t staleness(const struct round *round, uint32_t slot)
{
    return round->number + !in_time(round, slot) - round->slots[slot].number;
}

static enum round_offer continuous_offer(const struct round *round, uint32_t slot, uint32_t number,
                                         uint32_t attempt, int64_t now_ms)
{
    const struct slot *it = &round->slots[slot];
    (void)attempt, (void)now_ms;
    if (round->phase == ROUND_DONE)
        return OFFER_WRONG_ROUND;
    if (it->task == TASK_NONE || it->task == TASK_FAILED)
        return OFFER_NOT_SELECTED;
    if (number != it->number)
        return number < it->number ? OFFER_SUPERSEDED : OFFER_WRONG_ROUND;
    if (it->task == TASK_UPLOADING)
        return OFFER_BUSY;
    if (it->task != TASK_ASSIGNED)
        return OFFER_HAVE;
    return staleness(round, slot) > round->options.max_staleness ? OFFER_STALE : OFFER_TAKE;
}

static bool continuous_counts(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt)
{
    (void)attempt;
    return round->phase != ROUND_DONE && round->slots[slot].number == number;
}

static enum round_whole continuous_whole(struct round *round, uint32_t slot, uint32_t *ret_staleness,
                                         int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    *ret_staleness = staleness(round, slot);
    if (*ret_staleness > round->options.max_staleness)
        return WHOLE_STALE;
    if (in_time(round, slot)) {
        it->upload = UPLOAD_FOLDS;
        return WHOLE_FOLD;
    }
    bool doomed = it->doomed;
    round_set_task(round, slot, doomed ? TASK_FAILED : TASK_PARKED, now_ms);
    continuous_go_on(round, now_ms);
    return doomed ? WHOLE_VOID : WHOLE_PARK;
}

static void continuous_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    struct slot *it = &round->slots[slot];
    (void)spoilt;
    bool doomed = it->doomed;
    round_set_task(round, slot, doomed ? TASK_FAILED : TASK_ASSIGNED, now_ms);
    if (!doomed && it->state == SLOT_READY)
        send_assignment(round, slot);
    continuous_go_on(round, now_ms);
}

static void continuous_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    (void)spoilt;
    round_set_task(round, slot, TASK_FAILED, now_ms);
    continuous_go_on(round, now_ms);
}

const struct round_flow flow_continuous = {
    .begin = continuous_begin,
    .go_on = continuous_go_on,
    .release = continuous_release,
    .ready = continuous_ready,
    .anew = continuous_anew,
    .declined = continuous_declined,
    .offer = continuous_offer,
    .counts = continuous_counts,
    .whole = continuous_whole,
    .broken = continuous_broken,
    .rejected = continuous_rejected,
};
