// A layer kind: a forward and a backward pass over plain pointers and sizes. Adding one is one file and one
// row in layers.def.
#pragma once

#include "base/philox.h"
#include "base/registry.h"
#include "config/mark.h"
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

// One pass over a batch. Buffers do not overlap unless a comment in the kind says that it works in place.
struct layer_pass {
    const struct layer_plan *plan;
    const void *options;
    size_t batch;
    bool training;         // dropout drops only then
    struct random_key key; // of this step; `index` is the layer
    const float *input;    // [batch, input]
    float *output;         // [batch, output]
    float *scratch;        // [batch, scratch_floats]
    float *shared;         // [shared_floats]
    const float *tensors[LAYER_TENSORS_MAX];
    // backward only:
    const float *output_gradient;               // [batch, output]
    float *input_gradient;                      // [batch, input]; NULL for the first layer, which needs none
    float *tensor_gradients[LAYER_TENSORS_MAX]; // overwritten, not added to
};

struct layer_kind {
    struct kind kind;
    // Infers shapes; on failure the error says what does not fit, the caller adds the layer's name and
    // position.
    enum status (*plan)(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error);
    // Draws the initial values of tensor `index`; NULL when the layer has none.
    void (*init)(const void *options, const struct layer_plan *plan, unsigned int index,
                 struct random *random, float *values);
    void (*forward)(const struct layer_pass *pass);
    void (*backward)(const struct layer_pass *pass);
};

extern const struct registry layers;
