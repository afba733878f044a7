// Federated evaluation: each learner evaluates the model that it would use on samples of its own which it
// keeps out of training, and tells the result alone.
#pragma once

#include "config/fields.h"

struct evaluation_options {
    double holdout; // share of each learner's samples; 0: learners evaluate nothing
    int64_t every;  // rounds; the last one always
};

extern const struct field evaluation_fields[];

// Whether learners, where they evaluate at all, do so after `round` (from 1) of `rounds`.
bool local_evaluation_due(const struct evaluation_options *options, uint32_t round, uint32_t rounds);

// Splits samples 0..n: `ret_rows` [n] holds the rows to train on and then those held out, each ascending.
// Returns how many to train on: at least one, and of two samples or more at least one is held out. A pure
// function of its arguments.
size_t local_holdout(const struct evaluation_options *options, uint64_t seed, uint32_t learner, size_t n,
                     uint32_t *ret_rows);

// What learners told, put together; every learner counts the same, whatever its samples.
struct local_metrics {
    uint32_t n_learners;                     // that told anything
    double loss, accuracy, worst, deviation; // means, the least accurate learner, the population's standard
                                             // deviation of accuracy; NAN: not known
};

struct local_tally {
    uint32_t n_losses, n_accuracies;
    double loss, accuracy, squares, worst; // sums; squared deviations from the running mean (Welford 1962)
};

// Add in the same order for the same bits; NAN for what a learner did not tell.
void local_tally_add(struct local_tally *tally, double loss, double accuracy);
struct local_metrics local_tally_metrics(const struct local_tally *tally);
