// Who exchanges with whom, as pure functions: for algorithms that mix parameters linearly, the rows of the
// mixing matrix W.
#pragma once

#include "base/registry.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct topology_kind {
    struct kind kind;
    bool through_coordinator; // summaries go to the coordinator, which keeps the model
    // The row of W for learner `index` of `n`: how much of each learner's summary reaches it, given
    // everybody's weight (samples). Row sums are 1.
    void (*mixing_row)(const void *options, size_t n, size_t index, const double *weights, double *ret_row);
};

extern const struct registry topologies;
