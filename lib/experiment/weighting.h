// How much a summary counts in a mean. Weights are whole numbers on the wire; what one of them comes to in a
// round is the weighting's unit.
#pragma once

#include "base/error.h"
#include <stdint.h>

enum weighting {
    WEIGHTING_SAMPLES,      // what the algorithm says, as a rule the samples behind the summary
    WEIGHTING_UNIFORM,      // each summary the same
    WEIGHTING_INVERSE_LOSS, // the smaller a learner's training loss, the more its summary counts
};
extern const char *const weighting_words[]; // closed by NULL

// A learner's weight before its summary has come, from the samples that it announced.
uint64_t weighting_expected(enum weighting weighting, uint64_t n_samples);
// The weight of a summary: the algorithm's `weight` by samples, 1 under uniform, and 10^6 / loss, rounded and
// within 1 to 10^9, under inverse loss. INVALID_ARGUMENT when the loss is not a number or negative.
enum status weighting_of(enum weighting weighting, uint64_t weight, double loss, uint64_t *ret,
                         struct error *error);
// OUT_OF_RANGE for a weight that a learner with `n_samples` cannot have. So a learner that lies about its
// loss counts at most 10^9.
enum status weighting_check(enum weighting weighting, uint64_t weight, uint64_t n_samples,
                            struct error *error);
