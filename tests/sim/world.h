// A simulated experiment: a coordinator's round under a virtual clock, with learners that are lost, come
// back, leave, upload in pieces, break off, send rubbish, or dawdle, all by chance that follows from a seed.
// Every step checks what must always hold. What is the same under every schedule is here; what a schedule
// asks for, and how learners follow it, is in a file of its own.
#pragma once

#include "agenda.h"
#include "base/philox.h"
#include "coordinator/round.h"

enum { SLOTS_MAX = 9 };

enum ending { ENDS_WHOLE, ENDS_BROKEN, ENDS_UNFIT };

struct upload {
    bool under_way;
    bool streams; // parts of it are in the reduction before it is whole
    bool folding; // whole; the round waits for its fold
    bool parked;  // whole; the next round takes it
    uint32_t number, attempt;
    uint64_t generation, id;
    enum ending ending;
};

struct learner {
    bool connected, attends; // attends: holds its slot, connected or not
    uint64_t life;           // counts connections: messages of an older one are lost
    bool assigned;           // as it knows, to
    uint32_t number, attempt;
    uint32_t trained;                   // the last round that it has trained
    uint32_t sent_number, sent_attempt; // the last assignment over this connection
    uint32_t slowness;
    struct upload upload;
};

struct world {
    const struct world_schedule *schedule;
    struct random random;
    struct round_options options;
    struct round *round;
    struct learner learners[SLOTS_MAX];
    struct agenda agenda;
    uint64_t n_uploads, tick, steps, n_stale;
    bool verbose, quiet, done, committing;
    double trouble; // how often something goes wrong
    uint32_t last_committed;
    const char *fault;

    // The reduction: whole summaries and pieces of unfinished ones, since the round or its attempt began.
    uint64_t generation;
    uint32_t counted[SLOTS_MAX], pieces[SLOTS_MAX];
    uint32_t begun;
    bool member_at_begin[SLOTS_MAX];
};

struct world_schedule {
    void (*choose)(struct world *world, struct round_options *options); // draws what is not set yet
    const struct round_operations *operations;
    // What happens to a learner, called only while its connection, or its upload, is the one that it was.
    void (*assigned)(struct world *world, const struct event *event, struct learner *learner);
    void (*fetched)(struct world *world, const struct event *event, struct learner *learner); // may be NULL
    void (*trained)(struct world *world, const struct event *event, struct learner *learner);
    void (*upload_ends)(struct world *world, uint32_t slot, struct learner *learner);
    void (*folded)(struct world *world, uint32_t slot, struct learner *learner);
    void (*check)(struct world *world); // after every event
};

extern const struct world_schedule in_step, continuous;

struct world_result {
    uint32_t rounds;   // begun
    uint64_t steps;    // events handled
    uint64_t n_stale;  // summaries that counted late
    bool completed;    // by itself, not by failure or cancellation
    const char *fault; // NULL: everything held; else the sentence that did not
    int64_t fault_ms;
};

// Runs one experiment whose shape and faults all follow from `seed`; prints what happens with `verbose`.
struct world_result world_run(const struct world_schedule *schedule, uint64_t seed, bool verbose);

// ---- for schedules --------------------------------------------------------------------------------------

void check(struct world *world, bool holds, const char *sentence);
__attribute__((format(printf, 2, 3))) void tell(const struct world *world, const char *format, ...);
void later(struct world *world, int64_t in_ms, struct event event);
int64_t now(const struct world *world);
int64_t between(struct world *world, uint32_t least, uint32_t most); // both included
bool chance(struct world *world, double p);
bool trouble(struct world *world, double p); // of what goes wrong: never once the world is quiet

// What is to come then: it arrives; the upload ends, well or not; the fold is done.
void world_send_assignment(struct world *world, uint32_t slot, uint32_t number, uint32_t attempt);
void world_begin_upload(struct world *world, uint32_t slot, bool streams); // of what the learner trained
void world_fold(struct world *world, uint32_t slot);
bool world_upload_counts(const struct world *world, uint32_t slot); // to the round, still

// Operations of the round that are the same under every schedule; `user` is the world.
void world_begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit);
void world_withdraw(void *user, uint32_t slot, uint32_t number);
void world_commit(void *user, uint32_t number, uint32_t n_summaries);
void world_evaluate(void *user, uint32_t number);
void world_changed(void *user, enum round_phase phase);
void world_wake_at(void *user, int64_t at_ms);
