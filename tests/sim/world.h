// Rounds under a virtual clock with seeded faults: a coordinator's view of learners that are lost, come back,
// leave, upload in pieces, break off, send rubbish, or dawdle. Every step checks what must always hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct world_result {
    uint32_t rounds;   // begun
    uint64_t steps;    // events handled
    uint64_t n_stale;  // summaries that counted late
    bool completed;    // by itself, not by failure or cancellation
    const char *fault; // NULL: everything held; else the sentence that did not
    int64_t fault_ms;
};

// Runs one experiment whose shape and faults all follow from `seed`; prints what happens with `verbose`.
struct world_result world_run(uint64_t seed, bool verbose); // in step
struct world_result flow_run(uint64_t seed, bool verbose);  // continuous
