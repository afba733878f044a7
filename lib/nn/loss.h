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

// What `output` of `sample` should be, for losses that compare numbers: a class stands for a row that is 1 at
// the class and 0 elsewhere; for a single output, of two classes, the class itself is the target.
static inline double target_value(const struct targets *targets, size_t n_outputs, size_t sample,
                                  size_t output)
{
    if (targets->type == TARGET_CLASS)
        return n_outputs == 1 ? targets->classes[sample] : (size_t)targets->classes[sample] == output;
    return (double)targets->values[sample * n_outputs + output];
}
