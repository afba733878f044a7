// Gaussian noise instead of an update (Blanchard, El Mhamdi, Guerraoui, Stainer, "Machine learning with
// adversaries", NeurIPS 2017, "Gaussian Byzantine"), in proportion to the update that it replaces, so that
// one `scale` serves models of any size.
#include "base/philox.h"
#include "simulation/attack.h"
#include <math.h>

struct scaled_noise_options {
    struct chosen chosen;
    double scale;
};

static const struct field fields[] = {
    CHOSEN_FIELDS(struct scaled_noise_options, "attack"),
    {.name = "scale",
     .type = FIELD_REAL,
     .offset = offsetof(struct scaled_noise_options, scale),
     .fallback = "10",
     .max = 10000,
     .above = true,
     .help = "The noise's standard deviation, in root mean squares of the update"},
    {0},
};

static double root_mean_square(const struct attack_step *step, const float *summary, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double update = (double)summary[i] - (step->reference ? (double)step->reference[i] : 0);
        sum += update * update;
    }
    return sqrt(sum / (double)n);
}

static void replace(const struct attack_step *step, float *summary, size_t n)
{
    const struct scaled_noise_options *options = step->options;
    double deviation = options->scale * root_mean_square(step, summary, n);
    struct random random = random_open((struct random_key){.seed = step->seed,
                                                           .learner = step->learner,
                                                           .round = step->round,
                                                           .purpose = RANDOM_SIMULATION,
                                                           .index = SIMULATION_ATTACK});
    for (size_t i = 0; i < n; i++) {
        double start = step->reference ? (double)step->reference[i] : 0;
        summary[i] = (float)(start + deviation * random_normal(&random));
    }
}

const struct attack_kind attack_scaled_noise = {
    .kind =
        {
            .name = "scaled_noise",
            .help = "Attackers send Gaussian noise for an update, `scale` times as large as theirs would be",
            .fields = fields,
            .options_bytes = sizeof(struct scaled_noise_options),
        },
    .summary = replace,
};
