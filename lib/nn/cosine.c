// The learning rate falls along half a cosine to `floor` times its value (Loshchilov and Hutter 2017, eq. 5,
// one cycle): floor + (1 - floor) (1 + cos(pi t / T)) / 2, t and T counted from the end of the warm-up.
#include "nn/schedule_impl.h"
#include <math.h>

struct cosine_options {
    double floor;
    int64_t warmup_steps;
};

static const struct field fields[] = {
    {.name = "floor",
     .type = FIELD_REAL,
     .offset = offsetof(struct cosine_options, floor),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "Share of the learning rate that is left at the end"},
    WARMUP_FIELD(struct cosine_options),
    {0},
};

static double factor(const void *schedule_options, uint64_t step, uint64_t n_steps)
{
    const struct cosine_options *options = schedule_options;
    uint64_t warmup = (uint64_t)options->warmup_steps;
    double rise;
    if (warming_up(options->warmup_steps, step, &rise))
        return rise;
    if (n_steps == 0)
        return 1;
    double done = step < n_steps ? (double)(step - warmup) / (double)(n_steps - warmup) : 1;
    return options->floor + (1 - options->floor) * 0.5 * (1 + cos(M_PI * done));
}

const struct schedule_kind schedule_cosine = {
    .kind = {.name = "cosine",
             .help = "The learning rate falls along half a cosine over all steps",
             .fields = fields,
             .options_bytes = sizeof(struct cosine_options)},
    .factor = factor,
};
