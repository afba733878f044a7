// An activation function: what stands between a layer's linear map and the next layer. Adding one is one file
// and one row in activations.def; every layer whose fields have ACTIVATION_FIELD then offers it.
//
// The model, not the layer, applies it: after the layer's forward pass in place on the layer's output, before
// the layer's backward pass in place on the gradient. So a layer sees only its linear map.
#pragma once

#include "base/shape.h"
#include "config/fields.h"

struct activation_kind {
    struct kind kind;
    // Whether backward reads the values before the activation; they are then kept, which costs a buffer and a
    // copy.
    bool keeps_input;
    // Whether it passes about half of its input on, so that weights before it are drawn wider (He 2015).
    bool rectifies;
    // Whether its output is a probability, so that a loss on logits behind it would be a mistake.
    bool gives_probabilities;
    // values [batch, shape]: input on entry, output on return. NULL: the identity.
    void (*forward)(const void *options, size_t batch, const struct shape *shape, float *values);
    // gradient [batch, shape]: of the output on entry, of the input on return. `input` is NULL unless
    // keeps_input.
    void (*backward)(const void *options, size_t batch, const struct shape *shape, const float *input,
                     const float *output, float *gradient);
};

extern const struct registry activations;

// The row that gives a layer kind with a member `struct choice activation` in its options an activation.
#define ACTIVATION_FIELD(options_type)                                                                       \
    {                                                                                                        \
        .name = "activation", .type = FIELD_CHOICE, .offset = offsetof(options_type, activation),            \
        .fallback = "none", .registry = &activations, .help = "What each output passes through"              \
    }

// The choice that a kind's options hold for one of its rows with the registry `activations`, or NULL when the
// kind has no such row or nothing was chosen.
const struct choice *activation_chosen(const struct kind *kind, const void *options);
