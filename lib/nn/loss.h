// A loss: how far a batch of outputs is from its targets, averaged over the batch, and the gradient of that.
#pragma once

#include "base/registry.h"
#include "base/targets.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loss_kind {
    struct kind kind;
    unsigned int accepts; // bit set of 1 << enum target_type
    bool two_by_one;      // a single output may tell two classes apart: class 1 above 0
    // The mean loss over the batch, in double; with `ret_gradient` (may be NULL), d loss / d outputs.
    // outputs: [batch, n_outputs].
    double (*evaluate)(const void *options, size_t batch, size_t n_outputs, const float *outputs,
                       const struct targets *targets, float *ret_gradient);
    // Outputs as probabilities, for people; NULL when the outputs stand for themselves. Not in place.
    void (*probabilities)(size_t batch, size_t n_outputs, const float *outputs, float *ret);
};

extern const struct registry losses;
