// Small made-up data for tests of learning.
#pragma once

#include "data/dataset.h"

enum { TOY_LEARNERS_MAX = 16 };

enum toy_targets {
    TOY_CLASSES,
    TOY_VALUES,
    TOY_ZERO_OR_ONE, // values
};

struct toy {
    struct dataset dataset;
    uint32_t *rows;
    size_t n_learners;
    struct part parts[TOY_LEARNERS_MAX]; // of different sizes: learner i's is i + 1 times the first's
    struct part all;
};

// Normal features and noisy targets that they tell something about.
enum status toy_init(struct toy *ret, enum toy_targets targets, size_t n_samples, size_t n_features,
                     size_t n_outputs, size_t n_learners, struct error *error);
void toy_release(struct toy *toy);
