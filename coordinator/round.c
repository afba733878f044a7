#include "coordinator/round.h"
#include "base/memory.h"
#include "coordinator/select.h"
#include <assert.h>
#include <math.h>

struct round {
    struct round_options options;
    struct round_operations operations;
    void *user;
    enum round_phase phase;
    enum round_outcome outcome;
    uint32_t number; // of the round under way or last committed
    uint32_t attempt;
    uint64_t weight_unit;
    int64_t deadline_ms;            // INT64_MAX: none
    bool prepared, pausing, filled; // filled: all slots have been ready at once
    struct slot *slots;             // [options.n_learners]
    uint32_t *members; // [options.n_learners], working space; the first n_selected are this round's
    uint32_t n_selected, n_submitted, n_failed;
};

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
    return round->slots && round->members ? round : round_free(round);
}

struct round *round_free(struct round *round)
{
    if (!round)
        return NULL;
    memory_free(round->slots);
    memory_free(round->members);
    return memory_free(round);
}

// ---- moving on ------------------------------------------------------------------------------------------

static void enter(struct round *round, enum round_phase phase)
{
    if (round->phase == phase)
        return;
    round->phase = phase;
    round->operations.changed(round->user, phase);
}

static void set_deadline(struct round *round, int64_t at_ms)
{
    round->deadline_ms = at_ms;
    round->operations.wake_at(round->user, at_ms);
}

static bool awaited(const struct round *round, uint32_t slot)
{
    enum slot_task task = round->slots[slot].task;
    return round->phase == ROUND_COLLECTING && (task == TASK_ASSIGNED || task == TASK_UPLOADING);
}

static void finish(struct round *round, enum round_outcome outcome)
{
    if (round->phase == ROUND_DONE)
        return;
    round->outcome = outcome;
    for (uint32_t i = 0; i < round->n_selected; i++)
        if (awaited(round, round->members[i]))
            round->operations.withdraw(round->user, round->members[i], round->number);
    set_deadline(round, INT64_MAX);
    enter(round, ROUND_DONE);
}

static int64_t left_ms(const struct round *round, int64_t now_ms)
{
    if (round->deadline_ms == INT64_MAX)
        return 0;
    return round->deadline_ms > now_ms ? round->deadline_ms - now_ms : 1;
}

static void set_task(struct round *round, uint32_t slot, enum slot_task task, int64_t now_ms)
{
    round->slots[slot].task = task;
    round->slots[slot].since_ms = now_ms;
    round->slots[slot].doomed = false;
}

static void assign(struct round *round, uint32_t slot, int64_t now_ms)
{
    set_task(round, slot, TASK_ASSIGNED, now_ms);
    if (round->slots[slot].state == SLOT_READY)
        round->operations.assign(round->user, slot, round->number, round->attempt, round->weight_unit,
                                 left_ms(round, now_ms));
}

// Members are those that were once ready and have not left, connected or not: so a restart at an unlucky
// moment does not change who is selected.
static uint32_t gather_members(struct round *round)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < round->options.n_learners; i++)
        if (round->slots[i].state != SLOT_EMPTY)
            round->members[n++] = i;
    return n;
}

static void begin_round(struct round *round, int64_t now_ms)
{
    uint32_t n_members = gather_members(round);
    uint32_t wanted = (uint32_t)ceil(round->options.fraction * n_members - 1e-9);
    if (wanted < round->options.minimum)
        wanted = round->options.minimum;
    if (wanted == 0)
        wanted = 1;
    if (n_members < wanted) { // until enough have joined again
        enter(round, ROUND_WAITING);
        return;
    }
    round->number++;
    round->attempt = 1;
    round->n_selected = wanted;
    round->n_submitted = round->n_failed = 0;
    select_uniform(round->options.seed, round->number, round->members, n_members, wanted);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < round->options.n_learners; i++) {
        set_task(round, i, TASK_NONE, now_ms);
        round->slots[i].n_spoilt = 0;
    }
    for (uint32_t i = 0; i < wanted; i++)
        sum += round->slots[round->members[i]].weight;
    round->weight_unit = sum / wanted ? sum / wanted : 1;
    set_deadline(round, round->options.deadline_ms ? now_ms + round->options.deadline_ms : INT64_MAX);
    enter(round, ROUND_COLLECTING);
    round->operations.begin(round->user, round->number, wanted, round->weight_unit);
    for (uint32_t i = 0; i < wanted; i++)
        assign(round, round->members[i], now_ms);
}

// Between rounds: pause, end, or go on.
static void go_on(struct round *round, int64_t now_ms)
{
    if (round->number == round->options.rounds) {
        enter(round, ROUND_EVALUATING);
    } else if (round->pausing) {
        enter(round, ROUND_PAUSED);
    } else {
        begin_round(round, now_ms);
    }
}

static bool uploading(const struct round *round)
{
    for (uint32_t i = 0; i < round->n_selected; i++)
        if (round->slots[round->members[i]].task == TASK_UPLOADING)
            return true;
    return false;
}

static void fail_slot(struct round *round, uint32_t slot, int64_t now_ms)
{
    set_task(round, slot, TASK_FAILED, now_ms);
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

// The deadline has passed with the minimum in hand: what is under way may end, nothing new begins.
static bool closing(const struct round *round, int64_t now_ms)
{
    return now_ms >= round->deadline_ms && round->n_submitted >= round_minimum(round);
}

// Commits when everyone still awaited has submitted, or the deadline has passed with the minimum in hand. An
// upload under way is waited for in either case: its lease, not the deadline, ends it.
static void consider(struct round *round, int64_t now_ms)
{
    if (round->phase != ROUND_COLLECTING)
        return;
    uint32_t possible = round->n_selected - round->n_failed;
    if (possible < round_minimum(round)) {
        finish(round, ROUND_FAILED);
        return;
    }
    bool all = round->n_submitted == possible;
    if ((!all && !closing(round, now_ms)) || uploading(round))
        return;
    set_deadline(round, INT64_MAX);
    for (uint32_t i = 0; i < round->n_selected; i++)
        if (round->slots[round->members[i]].task == TASK_ASSIGNED)
            round->operations.withdraw(round->user, round->members[i], round->number);
    enter(round, ROUND_COMMITTING);
    round->operations.commit(round->user, round->number, round->n_submitted);
}

// Parts of a summary that will never be whole are in the reduction: start it over.
static void collect_again(struct round *round, int64_t now_ms)
{
    round->attempt++;
    round->n_submitted = 0;
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
    if (!round->filled && round_n_ready(round) < round->options.n_learners)
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
    it->state = SLOT_READY;
    if (fresh || round->phase != ROUND_COLLECTING) // the weight unit of a round under way stands
        it->weight = weight;
    if (round->phase == ROUND_COLLECTING && it->task == TASK_ASSIGNED) // an upload under way goes on
        assign(round, slot, now_ms);
    start_when_complete(round, now_ms);
}

void round_learner_lost(struct round *round, uint32_t slot, int64_t now_ms)
{
    (void)now_ms;
    if (round->slots[slot].state == SLOT_READY)
        round->slots[slot].state = SLOT_LOST;
}

void round_learner_left(struct round *round, uint32_t slot, int64_t now_ms)
{
    round->slots[slot].state = SLOT_EMPTY;
    round_declined(round, slot, now_ms);
}

void round_declined(struct round *round, uint32_t slot, int64_t now_ms)
{
    if (!awaited(round, slot))
        return;
    give_up(round, slot, now_ms);
    consider(round, now_ms);
}

enum round_offer round_offer(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                             int64_t now_ms)
{
    if (round->phase != ROUND_COLLECTING || number != round->number)
        return OFFER_WRONG_ROUND;
    switch (round->slots[slot].task) {
    case TASK_SUBMITTED:
        return attempt == round->attempt ? OFFER_HAVE : OFFER_SUPERSEDED;
    case TASK_UPLOADING:
        return attempt == round->attempt ? OFFER_BUSY : OFFER_SUPERSEDED;
    case TASK_ASSIGNED:
        if (attempt != round->attempt)
            return OFFER_SUPERSEDED;
        return closing(round, now_ms) ? OFFER_LATE : OFFER_TAKE;
    default:
        return OFFER_NOT_SELECTED;
    }
}

void round_upload_begun(struct round *round, uint32_t slot, int64_t now_ms)
{
    assert(round_offer(round, slot, round->number, round->attempt, now_ms) == OFFER_TAKE);
    set_task(round, slot, TASK_UPLOADING, now_ms);
}

bool round_upload_counts(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt)
{
    return round->phase == ROUND_COLLECTING && number == round->number && attempt == round->attempt &&
           round->slots[slot].task == TASK_UPLOADING;
}

void round_upload_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->phase == ROUND_COLLECTING && round->slots[slot].task == TASK_UPLOADING);
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
    set_task(round, slot, TASK_SUBMITTED, now_ms);
    round->n_submitted++;
    consider(round, now_ms);
}

void round_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms)
{
    assert(round->phase == ROUND_COLLECTING && round->slots[slot].task == TASK_UPLOADING);
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
        finish(round, ROUND_FAILED);
        return;
    }
    round->operations.evaluate(round->user, round->number);
    if (round->phase != ROUND_COMMITTING) // answered at once
        return;
    if (round->options.evaluation_decides)
        enter(round, ROUND_EVALUATING);
    else
        go_on(round, now_ms);
}

void round_evaluated(struct round *round, uint32_t number, bool stop, int64_t now_ms)
{
    if (number != round->number || (round->phase != ROUND_EVALUATING && round->phase != ROUND_COMMITTING))
        return; // of an earlier round, while the next one is under way
    if (stop && number < round->options.rounds)
        finish(round, ROUND_STOPPED_EARLY);
    else if (number == round->options.rounds)
        finish(round, ROUND_COMPLETED);
    else
        go_on(round, now_ms);
}

void round_tick(struct round *round, int64_t now_ms)
{
    consider(round, now_ms);
}

void round_pause(struct round *round, int64_t now_ms)
{
    (void)now_ms;
    round->pausing = true;
    if (round->phase == ROUND_WAITING && round->filled)
        enter(round, ROUND_PAUSED);
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
    finish(round, ROUND_CANCELLED);
}

void round_fail(struct round *round, int64_t now_ms)
{
    (void)now_ms;
    finish(round, ROUND_FAILED);
}

// ---- what it is doing -----------------------------------------------------------------------------------

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
    uint32_t n = 0;
    for (uint32_t i = 0; i < round->options.n_learners; i++)
        n += round->slots[i].state == SLOT_READY;
    return n;
}

uint32_t round_n_selected(const struct round *round)
{
    return round->n_selected;
}

uint32_t round_n_submitted(const struct round *round)
{
    return round->n_submitted;
}

uint32_t round_minimum(const struct round *round)
{
    return round->options.minimum ? round->options.minimum : 1;
}
