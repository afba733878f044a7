// Initial weights. Uniform rather than normal: it needs no logarithm or cosine, so the same seed gives the
// same bytes whatever the C library.
#pragma once

#include "base/philox.h"
#include "nn/activation.h"

enum init_rule {
    INIT_AUTO,   // he before an activation that rectifies, else glorot
    INIT_HE,     // U(-a, a), a = sqrt(6 / fan_in) (He, Zhang, Ren, Sun 2015, eq. 10)
    INIT_GLOROT, // U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 16)
    INIT_ZEROS,
};

extern const char *const init_words[];

// The row for a layer kind with a member `int init` in its options.
#define INIT_FIELD(options_type)                                                                             \
    {                                                                                                        \
        .name = "init", .type = FIELD_WORD, .offset = offsetof(options_type, init), .fallback = "auto",      \
        .words = init_words, .help = "How weights are drawn: auto is he before relu and gelu, else glorot"   \
    }

// Draws `n` weights of a map in which each output sums `fan_in` products and each input enters `fan_out`.
// `activation` is the layer's own (its kind NULL: none).
void init_weights(enum init_rule rule, const struct choice *activation, size_t fan_in, size_t fan_out,
                  struct random *random, size_t n, float *ret);
