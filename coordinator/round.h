// The rounds of one experiment as a pure machine: who is selected, who is awaited, when to commit. Time,
// sending and storing are handed in, so that thousands of rounds with faults run in a second under a test's
// clock.
//
// clang-format off
//
//             all learners ready,            enough summaries
//             model prepared                 and no upload under way
//   WAITING ────────────────────▶ COLLECTING ────────────────▶ COMMITTING
//      ▲  ▲                        ▲  ▲   │ upload spoilt:        │
//      │  │ too few members        │  └───┘ collect again         │ committed
//      │  └────────────────────────┤                              ▼
//      │            next round     │                          EVALUATING (when it decides,
//      └──▶ PAUSED ────────────────┴──────────────────────────────┤     or after the last round)
//           (between rounds)                                      │ last round, or stop
//   any ──cancel, fault, fewer than the minimum possible──▶ DONE ◀┘
//
// clang-format on
// In step (a synchronous schedule) a round selects learners, who all start from the model of the round
// before, and waits for them. A continuous schedule lets learners train on while rounds are committed: each
// assignment is bound to the model that it started from, and its summary counts in whatever round is
// collected when it is whole, `staleness` commits later. One that becomes whole between two rounds is parked
// for the next one, and so is a learner's second one of a round. round_in_step.c and
// round_continuous.c have what differs.
//
// Not thread-safe: the owner's lock guards it. Operations are called from within events, under that lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct round;

enum round_phase {
    ROUND_WAITING,
    ROUND_COLLECTING,
    ROUND_COMMITTING,
    ROUND_EVALUATING,
    ROUND_PAUSED,
    ROUND_DONE,
};

enum { ROUND_SPOILT_MAX = 3, ROUND_AGAIN_MAX = 10 };

enum round_outcome { ROUND_COMPLETED, ROUND_STOPPED_EARLY, ROUND_FAILED, ROUND_CANCELLED };

struct round_options {
    uint64_t seed;
    uint32_t rounds;
    uint32_t n_learners;   // slots
    uint32_t start_with;   // learners ready before the first round begins; 0: all of them
    uint32_t minimum;      // summaries without which a round cannot commit; 0: one
    double fraction;       // of the members, wanted a round; continuous: training at the same time
    double over_selection; // times as many are selected as are wanted; the round commits with the first ones
    int64_t deadline_ms;   // of a round; 0: none. Past it, the round commits as soon as it has the minimum.
    // Learners that are to have a committed model, where they are the only ones who keep it: a round waits
    // for so many summaries, past its deadline too, as long as so many learners are there. 0: the owner keeps
    // it.
    uint32_t copies;
    bool evaluation_decides; // wait for a round's evaluation before the next one, which it may stop

    bool continuous;        // what follows is for that
    uint32_t target;        // summaries that make a round commit; 0: all awaited ones, or the deadline
    bool refills;           // a place is taken again in mid-round, else only by the next round
    uint32_t max_staleness; // of a summary that may still count
};

// What the machine asks of its owner.
struct round_operations {
    // A round begins: reset the reduction. `weight_unit` is the mean of the selected learners' weights.
    void (*begin)(void *user, uint32_t round, uint32_t n_selected, uint64_t weight_unit);
    // Send the learner in `slot` its assignment. `attempt` counts collections of this round, from 1.
    // Continuous: once more when its learner came back, maybe of an earlier round.
    void (*assign)(void *user, uint32_t slot, uint32_t round, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms);
    // The assignment is void: the round goes on without this learner.
    void (*withdraw)(void *user, uint32_t slot, uint32_t round);
    // Fold the slot's parked summary into the round that has just begun; answer, later, with round_submitted
    // or round_rejected. Continuous only.
    void (*admit)(void *user, uint32_t slot, uint32_t staleness);
    // Reduce, re-update and store; answer with round_committed.
    void (*commit)(void *user, uint32_t round, uint32_t n_summaries);
    // Evaluate the committed model; answer with round_evaluated.
    void (*evaluate)(void *user, uint32_t round);
    // The phase changed (never to the same one); after DONE nothing more is asked.
    void (*changed)(void *user, enum round_phase phase);
    // Call round_tick at `at_ms` or later; replaces the wish before. INT64_MAX: not needed.
    void (*wake_at)(void *user, int64_t at_ms);
};

// What a slot's learner is doing.
enum slot_state {
    SLOT_EMPTY, // nobody yet, or the learner left for good
    SLOT_READY, // a member, connected
    SLOT_LOST,  // a member whose connection broke; it may come back
};
enum slot_task {
    TASK_NONE, // not selected in this round
    TASK_ASSIGNED,
    TASK_UPLOADING,
    TASK_SUBMITTED,
    TASK_PARKED, // whole, and kept for the next round
    TASK_FAILED, // rejected, declined or gone: not awaited any more in this round
};

// How an upload under way relates to the reduction.
enum slot_upload {
    UPLOAD_STREAMS, // folded as it comes: a commit waits for its end
    UPLOAD_HELD,    // kept apart until it is whole
    UPLOAD_FOLDS,   // whole, and being folded: a commit waits for that
};

// What to answer a learner that wants to send its summary.
enum round_offer {
    OFFER_TAKE,
    OFFER_HAVE,         // it is counted already
    OFFER_BUSY,         // an upload of the same attempt has not ended yet; to be tried again
    OFFER_SUPERSEDED,   // of an attempt that is void
    OFFER_LATE,         // past the deadline, with the minimum in hand
    OFFER_NOT_SELECTED, // or not awaited any more
    OFFER_WRONG_ROUND,  // not the one that is being collected
    OFFER_STALE,        // started from a model that is too old; the learner is to be given up as declined
};

// What becomes of an upload all of whose bytes have come.
enum round_whole {
    WHOLE_VOID,  // the round or the attempt has moved on
    WHOLE_FOLD,  // to be folded now, then round_submitted or round_rejected
    WHOLE_PARK,  // to be kept until `admit` asks for it, or the learner has left, or the end
    WHOLE_STALE, // too old by now: to be rejected
};

struct slot {
    enum slot_state state;
    enum slot_task task;
    uint64_t weight;
    int64_t since_ms; // of the task
    uint32_t number;  // the round of its last assignment, which starts from the model of the round before
    bool counted;     // a summary of it is in the round's reduction
    enum slot_upload upload; // while uploading
    uint8_t n_spoilt;        // collections of this round that it spoilt
    bool doomed;             // uploading, and its learner gone: counts if whole, else the slot fails
    bool paused;             // uploading, and cut short: it may go on where it broke off
    bool untold; // of the round: the learner became ready while an upload in its place was under way
};

// NULL when out of memory.
struct round *round_new(const struct round_options *options, const struct round_operations *operations,
                        void *user);
struct round *round_free(struct round *round);

// After a restart (round_restore.c), before any event. A member, whose learner has not come back yet; then
// the first round does not wait for others.
void round_restore_slot(struct round *round, uint32_t slot, uint64_t weight);
// Instead of round_prepared: round `number`, from 1, is being committed; to be answered with round_committed.
void round_restore_commit(struct round *round, uint32_t number);
void round_restore_outcome(struct round *round, enum round_outcome outcome, uint32_t number); // it is over

// Events. `now_ms` never goes back.
void round_prepared(struct round *round, int64_t now_ms); // the model is there, and evaluation data if any
void round_learner_ready(struct round *round, uint32_t slot, uint64_t weight, int64_t now_ms);
void round_learner_lost(struct round *round, uint32_t slot, int64_t now_ms);
void round_learner_left(struct round *round, uint32_t slot, int64_t now_ms);
// The learner cannot serve its assignment.
void round_declined(struct round *round, uint32_t slot, int64_t now_ms);
// The model that its assignment starts from is gone: it is assigned anew, from the present one.
void round_learner_anew(struct round *round, uint32_t slot, int64_t now_ms);
// Whether a summary may begin to come: a slot has one upload at a time, and every one that began ends by one
// of the three below, which a round waits for, past its deadline too, unless it is held and there are enough.
// An upload counts unless the round or the attempt has moved on; its end is told only then.
enum round_offer round_offer(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                             int64_t now_ms);
// OFFER_TAKE was the answer. `held`: kept apart until whole, as every one is under a continuous schedule.
void round_upload_begun(struct round *round, uint32_t slot, bool held, int64_t now_ms);
bool round_upload_counts(const struct round *round, uint32_t slot, uint32_t number, uint32_t attempt);
// In step: cut short, but the owner keeps what has come. It is waited for like one under way, and round_offer
// takes it until it is resumed; if it is not, the owner tells of its end as below.
void round_upload_paused(struct round *round, uint32_t slot, int64_t now_ms);
void round_upload_resumed(struct round *round, uint32_t slot, int64_t now_ms);
// All bytes are there: asked before the summary is folded. Commits since the model that it started from are
// in `ret_staleness`, unless VOID.
enum round_whole round_upload_whole(struct round *round, uint32_t slot, uint32_t number, uint32_t attempt,
                                    uint32_t *ret_staleness, int64_t now_ms);
void round_submitted(struct round *round, uint32_t slot, int64_t now_ms);
// Cut short: the learner is asked again. With `spoilt`, parts of it are in the reduction, and everyone is; a
// learner that does so ROUND_SPOILT_MAX times in a round is not asked any more.
void round_upload_broken(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms);
// Its values are unfit: the learner is not asked again in this round. `spoilt` as above.
void round_rejected(struct round *round, uint32_t slot, bool spoilt, int64_t now_ms);
void round_committed(struct round *round, bool stored, int64_t now_ms);
// Instead: too many of those who submitted are lost meanwhile. The round is collected again, from who is
// there; a summary that its learner still has need not be made anew. False, and nothing is done, when that
// was so ROUND_AGAIN_MAX times in this round.
bool round_collect_again(struct round *round, int64_t now_ms);
void round_evaluated(struct round *round, uint32_t number, bool stop, int64_t now_ms);
void round_tick(struct round *round, int64_t now_ms);
void round_pause(struct round *round, int64_t now_ms); // after the round under way
void round_resume(struct round *round, int64_t now_ms);
void round_cancel(struct round *round, int64_t now_ms);
void round_fail(struct round *round, int64_t now_ms); // the owner found a fault that ends the experiment

// What it is doing.
enum round_phase round_phase(const struct round *round);
enum round_outcome round_outcome(const struct round *round); // once DONE
uint32_t round_number(
    const struct round *round); // under way, or the last committed between rounds; 0 before the first
uint32_t round_attempt(const struct round *round);
uint64_t round_weight_unit(const struct round *round);
bool round_pausing(const struct round *round);
int64_t round_deadline(const struct round *round); // INT64_MAX: none
const struct slot *round_slot(const struct round *round, uint32_t slot);
uint32_t round_n_ready(const struct round *round);
// In step: the slots of the round's learners [round_n_selected], ascending; NULL under a continuous schedule.
const uint32_t *round_selected(const struct round *round);
uint32_t round_n_selected(const struct round *round);
uint32_t round_n_wanted(const struct round *round); // summaries that make it commit; 0: all awaited ones
uint32_t round_n_submitted(const struct round *round);
uint32_t round_minimum(const struct round *round);
// In step: how many summaries a commit takes when `n_summaries` are there: the minimum, or more for the sake
// of `copies`, as far as there are learners who may still deliver.
uint32_t round_needed(const struct round *round, uint32_t n_summaries);
const struct round_options *round_options(const struct round *round);
// The slot's learner has an assignment of that round whose summary has not come yet.
bool round_awaits(const struct round *round, uint32_t slot, uint32_t number);
