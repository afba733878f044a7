// A shift within the spread of honest summaries, which reducers that look for outliers let pass (Baruch,
// Baruch, Goldberg, "A little is enough: circumventing defenses for distributed learning", NeurIPS 2019,
// algorithm 3). The attackers take mean and deviation of the honest summaries to be those of their own, and
// all send the same.
#include "simulation/attack.h"
#include <math.h>

struct little_options {
    struct chosen chosen;
    double z;
};

static const struct field fields[] = {
    CHOSEN_FIELDS(struct little_options, "attack"),
    {.name = "z",
     .type = FIELD_REAL,
     .offset = offsetof(struct little_options, z),
     .fallback = "0",
     .max = 100,
     .help = "Standard deviations to shift by; 0: as many as the paper finds for the number of attackers"},
    {0},
};

// The z with normal distribution function Phi(z) = p, 1/2 <= p < 1, by bisection.
static double normal_quantile(double p)
{
    double low = 0, high = 9;
    while (high - low > 1e-9) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(-middle / sqrt(2)) < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// Of n learners, m attack and must win over s = floor(n/2 + 1) - m of the others to be a majority: the
// largest z below which n - m - s of the n - m honest ones are expected (algorithm 3, steps 1 and 2).
static double largest_shift(uint32_t n, uint32_t m)
{
    double honest = (double)n - m, supporters = floor((double)n / 2 + 1) - m;
    double p = honest > 0 ? (honest - fmax(supporters, 0)) / honest : 1;
    return normal_quantile(fmin(fmax(p, 0.5), 0.999));
}

static void shift(const struct attack_step *step, float *summary, size_t n)
{
    const struct little_options *options = step->options;
    const struct benign *benign = step->benign;
    double z = options->z;
    if (z <= 0)
        z = largest_shift(step->n_learners, chosen_count(&options->chosen, step->n_learners));
    for (size_t i = 0; i < n; i++)
        summary[i] = benign->mean[i] - (float)z * sqrtf(benign->squares[i] / (float)benign->n_summaries);
}

const struct attack_kind attack_little_is_enough = {
    .kind =
        {
            .name = "little_is_enough",
            .help = "Attackers all send the mean of their honest summaries, shifted a little against them",
            .fields = fields,
            .options_bytes = sizeof(struct little_options),
        },
    .colludes = true,
    .summary = shift,
};
