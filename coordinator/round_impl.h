// What the files of the round machine share.
#pragma once

#include "coordinator/round.h"

// How rounds flow under one kind of schedule.
struct round_flow {
    void (*begin)(struct round *round, int64_t now_ms); // the next round, or waits for members
    void (*go_on)(struct round *round,
                  int64_t now_ms);        // something has come, or it is time: commits if it may
    void (*release)(struct round *round); // nobody is awaited any more
    // The learner of the slot is there (`fresh`: and was not a member before), has to start from another
    // model, or will not bring a summary.
    void (*ready)(struct round *round, uint32_t slot, bool fresh, int64_t now_ms);
    void (*anew)(struct round *round, uint32_t slot, int64_t now_ms);
    void (*declined)(struct round *round, uint32_t slot, int64_t now_ms);
    void (*lost)(struct round *round, int64_t now_ms);  // somebody's connection broke; NULL: no matter
    void (*again)(struct round *round, int64_t now_ms); // collects the round anew; NULL: never
    // Its upload, as in round.h: `counts` is asked of slots that are uploading, `whole` of those that count.
    enum round_offer (*offer)(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                              int64_t now_ms);
    bool (*counts)(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt);
    enum round_whole (*whole)(struct round *round, uint32_t slot, uint32_t *ret_staleness, int64_t now_ms);
    void (*paused)(struct round *round, uint32_t slot, int64_t now_ms); // NULL: uploads never go on
    void (*broken)(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms);
    void (*rejected)(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms);
};

extern const struct round_flow flow_in_step, flow_continuous;

struct round {
    struct round_options options;
    const struct round_flow *flow; // by the options
    struct round_operations operations;
    void *user;
    enum round_phase phase;
    enum round_outcome outcome;
    uint32_t number; // of the round under way or last committed
    uint32_t attempt;
    uint64_t weight_unit;
    int64_t deadline_ms;            // INT64_MAX: none
    bool prepared, pausing, filled; // filled: enough slots have been ready at once
    struct slot *slots;             // [options.n_learners]
    uint32_t *present, n_present;   // [options.n_learners] slots of members, ascending
    bool present_is_old;            // a member came or left since
    uint32_t n_ready;               // slots that are SLOT_READY
    uint32_t *members; // [options.n_learners], working space; in step, the first n_selected are this round's
    uint32_t n_selected;            // continuous: places
    uint32_t n_wanted;              // in step: summaries to commit with, of those selected
    uint32_t n_submitted, n_failed; // failed: in step only
    uint32_t n_again;               // times that this round was collected again instead of committed
};

// ---- moving on (round.c) --------------------------------------------------------------------------------

void round_enter(struct round *round, enum round_phase phase);
void round_set_deadline(struct round *round, int64_t at_ms);
void round_set_state(struct round *round, uint32_t slot, enum slot_state state);
void round_finish(struct round *round, enum round_outcome outcome);
void round_set_task(struct round *round, uint32_t slot, enum slot_task task, int64_t now_ms);
// The slots of members into `members`: those that were once ready and have not left, connected or not: so a
// restart at an unlucky moment does not change who is selected.
uint32_t round_gather_members(struct round *round);
uint32_t round_n_members(struct round *round); // how many those are, leaving `members` alone
// The mean of the weights of the first `n` of `members`, at least 1.
uint64_t round_mean_weight(const struct round *round, uint32_t n);
// Learners wanted of `n_members`: the fraction, rounded up, at least the minimum and one.
uint32_t round_share(const struct round *round, uint32_t n_members);
// Opens the round after the last committed one.
void round_open(struct round *round, uint32_t n_selected, uint64_t weight_unit, int64_t now_ms);
void round_start_commit(struct round *round);
// The deadline has passed with as many summaries as are needed in hand.
bool round_overdue(const struct round *round, int64_t now_ms);
