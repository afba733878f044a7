// What an experiment pretends of its learners, to study how rounds fare in the field: slow ones, ones that
// drop out, wrong labels, attackers. Pure functions of the options and the seed: the same experiment pretends
// the same.
#pragma once

#include "data/dataset.h"
#include "simulation/attack.h"

struct slow_options {
    struct chosen chosen;
    double factor; // 1 or more
};

struct simulation_options {
    int64_t delay_ms;     // each learner waits a random time up to this before it submits
    int64_t step_time_ms; // that a step on one batch is taken to last; 0: as long as it does
    bool has_slow;
    struct slow_options slow;
    double dropout;       // chance that a learner declines a round
    double label_noise;   // chance that a training label is replaced
    struct choice attack; // kind NULL: nobody attacks
};

extern const struct field simulation_fields[];

// Checks the options against an experiment of `n_learners`.
enum status simulation_check(const struct simulation_options *options, uint32_t n_learners,
                             struct error *error);

// A learner in one round.
struct simulated {
    const struct simulation_options *options;
    uint64_t seed;
    uint32_t learner, n_learners, round; // learner from 0, round from 1
};

// Whether it drops out of the round.
bool simulated_dropout(const struct simulated *simulated);
// How long it waits before it submits, when training took `train_seconds` for `n_steps` steps: until its
// pretended training time has passed, and then the delay.
int64_t simulated_wait_ms(const struct simulated *simulated, double train_seconds, uint64_t n_steps);
// Its attack, or NULL when it means well.
const struct attack_kind *simulated_attack(const struct simulated *simulated);

// Replaces labels of the dataset's rows [n_rows] as noise and an attack have it; `round` does not matter.
// INVALID_ARGUMENT where there are target values instead of classes.
enum status simulated_spoil_labels(const struct simulated *simulated, struct dataset *dataset,
                                   const uint32_t *rows, size_t n_rows, struct error *error);
