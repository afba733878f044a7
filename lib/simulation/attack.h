// An attack: what a learner that means ill makes of its labels or of the summary that it would have sent. For
// studying how reducers hold out; a deployed learner never attacks.
#pragma once

#include "base/registry.h"
#include "simulation/chosen.h"
#include <stddef.h>
#include <stdint.h>

// What randomness is for: the index of RANDOM_SIMULATION's streams. Never renumber.
enum simulation_use { SIMULATION_DROPOUT = 1, SIMULATION_LABELS = 2, SIMULATION_ATTACK = 3 };

// Begins the options of every attack.
struct attack_options {
    struct chosen chosen;
};

// The summaries that all attackers would have sent if they meant well, coordinate by coordinate (Welford
// 1962).
struct benign {
    size_t n_summaries;
    size_t n;
    float *mean;    // [n]
    float *squares; // [n]: the sum of squared deviations from the mean
};

enum status benign_open(struct benign *benign, size_t n, struct error *error);
void benign_add(struct benign *benign, const float *summary); // [n]
void benign_close(struct benign *benign);

struct attack_step {
    const void *options; // the attack's
    uint64_t seed;
    uint32_t learner, n_learners, round; // learner from 0, round from 1
    const float *reference;      // [n]: what an honest summary starts from, as the round's model; NULL: zero
    const struct benign *benign; // of all attackers; NULL unless the kind colludes
};

struct attack_kind {
    struct kind kind;
    bool colludes; // attackers know each other's data, and so each other's honest summaries; at least two
    // What becomes of a training label in [0, n_classes); NULL: labels are left alone.
    int32_t (*label)(int32_t label, size_t n_classes);
    // Replaces the honest `summary` [n]; NULL: it is sent as it is.
    void (*summary)(const struct attack_step *step, float *summary, size_t n);
};

extern const struct registry attacks;
