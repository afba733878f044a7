// What adam and adamw share.
#pragma once

#include "config/fields.h"
#include "nn/optimizer.h"

struct adam_options {
    double learning_rate;
    double beta1, beta2;
    double epsilon;
    double weight_decay;
};

#define ADAM_REAL(member, default_, low, open, high, meaning)                                                \
    {                                                                                                        \
        .name = #member, .type = FIELD_REAL, .offset = offsetof(struct adam_options, member),                \
        .fallback = (default_), .min = (low), .max = (high), .above = (open), .help = (meaning)              \
    }

#define ADAM_FIELDS(decay_default, decay_meaning)                                                            \
    ADAM_REAL(learning_rate, "0.001", 0, true, 0, "Length of a step"),                                       \
        ADAM_REAL(beta1, "0.9", 0, false, 0.999999, "Decay of the gradient's running mean"),                 \
        ADAM_REAL(beta2, "0.999", 0, false, 0.99999999, "Decay of the squared gradient's running mean"),     \
        ADAM_REAL(epsilon, "1e-8", 0, true, 1, "Added to the root of the squared gradient's mean"),          \
        ADAM_REAL(weight_decay, decay_default, 0, false, 1, decay_meaning)

size_t adam_n_state_vectors(const void *options);
double adam_learning_rate(const void *options);
// `decoupled`: the parameters shrink by rate * weight_decay beside the step; else weight_decay times the
// parameters is added to the gradient.
void adam_step(const struct adam_options *options, bool decoupled, double rate, uint64_t step, size_t n,
               float *parameters, const float *gradient, float *state, size_t stride);
