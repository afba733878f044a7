// A layer kind: a forward and a backward pass over plain pointers and sizes. Adding one is one file and one
// row in layers.def.
//
// A kind gets an `activation` option by ACTIVATION_FIELD (nn/activation.h) alone: the model applies the
// activation in place on `output` after forward, and takes it out of `output_gradient` before backward, so a
// kind computes its linear map only. INIT_FIELD and init_weights (nn/init.h) are the common way to draw
// weights.
#pragma once

#include "base/philox.h"
#include "base/registry.h"
#include "config/mark.h"
#include "nn/gradient_sink.h"
#include "nn/tensor.h"

enum { LAYER_TENSORS_MAX = 2 };

// What a layer is, once its options have met its input's shape. Made by layer_kind.plan; immutable
// afterwards.
struct layer_plan {
    struct shape input, output; // of one sample
    unsigned int n_tensors;
    struct {
        const char *name; // "weight", "bias"
        struct shape shape;
    } tensors[LAYER_TENSORS_MAX];
    size_t scratch_floats; // a sample: kept from forward to backward (argmax, mask, statistics)
    size_t shared_floats;  // for the whole batch: working space that either pass may overwrite (im2col)
    size_t integers[16];   // what else the kind derived (strides, paddings)
};

// One pass over a batch. Buffers do not overlap; scratch and shared are NULL when the plan asked for none.
struct layer_pass {
    const struct layer_plan *plan;
    const void *options;
    size_t batch;
    bool training;         // dropout drops only then
    struct random_key key; // of this step, in training and forward; `index` is the layer
    const float *input;    // [batch, input]
    float *output;         // [batch, output]; NULL in backward, where an activation may have changed it
    float *scratch;        // [batch, scratch_floats]
    float *shared;         // [shared_floats]
    const float *tensors[LAYER_TENSORS_MAX];
    // backward only:
    const float *output_gradient;               // [batch, output]
    float *input_gradient;                      // [batch, input]; NULL when no layer below has parameters
    float *tensor_gradients[LAYER_TENSORS_MAX]; // overwritten, not added to
    // For a kind that `hands_on`: who takes them, from where each begins among the parameters; NULL: nobody.
    const struct gradient_sink *sink;
    size_t tensor_offsets[LAYER_TENSORS_MAX];
};

struct layer_kind {
    struct kind kind;
    // Infers shapes; on failure the error says what does not fit, the caller adds the layer's name and
    // position.
    enum status (*plan)(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error);
    // Draws the initial values of tensor `index`; NULL when the layer has none. `random` is that tensor's
    // alone.
    void (*init)(const void *options, const struct layer_plan *plan, unsigned int index,
                 struct random *random, float *values);
    // Both NULL for a layer that hands its input on, at most in another shape (flatten) or through its
    // activation.
    void (*forward)(const struct layer_pass *pass);
    void (*backward)(const struct layer_pass *pass);
    // Backward hands its tensors' gradients to the pass's sink itself, in parts, each once the pass has no
    // further use for those parameters.
    bool hands_on;
};

extern const struct registry layers;
