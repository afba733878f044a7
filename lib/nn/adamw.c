// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), with the semantics of PyTorch's
// AdamW: p is first multiplied by 1 - rate * weight_decay.
#include "nn/adam_impl.h"

static const struct field fields[] = {
    ADAM_FIELDS("0.01", "Share of the parameters that each step takes off, times the learning rate"),
    {0},
};

static void step_decoupled(const void *options, double rate, uint64_t step, size_t n, float *parameters,
                           const float *gradient, float *state, size_t stride)
{
    adam_step(options, true, rate, step, n, parameters, gradient, state, stride);
}

const struct optimizer_kind optimizer_adamw = {
    .kind = {.name = "adamw",
             .help = "Adam with weight decay beside the gradient instead of in it",
             .fields = fields,
             .options_bytes = sizeof(struct adam_options)},
    .n_state_vectors = adam_n_state_vectors,
    .learning_rate = adam_learning_rate,
    .step = step_decoupled,
};
