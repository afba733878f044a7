// The learning rate is multiplied by `factor` after every so many steps, as PyTorch's StepLR.
#include "nn/schedule_impl.h"
#include <math.h>

struct step_options {
    int64_t every;
    double factor;
    int64_t warmup_steps;
};

static const struct field fields[] = {
    {.name = "every",
     .type = FIELD_INT,
     .offset = offsetof(struct step_options, every),
     .required = true,
     .min = 1,
     .max = 1e12,
     .help = "Steps between two changes"},
    {.name = "factor",
     .type = FIELD_REAL,
     .offset = offsetof(struct step_options, factor),
     .fallback = "0.1",
     .min = 0,
     .max = 1,
     .above = true,
     .help = "What the learning rate is multiplied by"},
    WARMUP_FIELD(struct step_options),
    {0},
};

static double factor(const void *schedule_options, uint64_t step, uint64_t n_steps)
{
    const struct step_options *options = schedule_options;
    double rise;
    if (warming_up(options->warmup_steps, step, &rise))
        return rise;
    uint64_t since = step - (uint64_t)options->warmup_steps;
    uint64_t n_falls = since / (uint64_t)options->every;
    return pow(options->factor, (double)n_falls);
}

const struct schedule_kind schedule_step = {
    .kind = {.name = "step",
             .help = "The learning rate falls by a factor every so many steps",
             .fields = fields,
             .options_bytes = sizeof(struct step_options)},
    .factor = factor,
};
