// The learning rate as it was given, from the first step or after a warm-up.
#include "nn/schedule_impl.h"

struct constant_options {
    int64_t warmup_steps;
};

static const struct field fields[] = {WARMUP_FIELD(struct constant_options), {0}};

static double factor(const void *options, uint64_t step, uint64_t n_steps)
{
    double rise;
    return warming_up(((const struct constant_options *)options)->warmup_steps, step, &rise) ? rise : 1;
}

const struct schedule_kind schedule_constant = {
    .kind = {.name = "constant",
             .help = "The learning rate stays as it was given",
             .fields = fields,
             .options_bytes = sizeof(struct constant_options)},
    .factor = factor,
};
