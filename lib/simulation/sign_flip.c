// The attacker's update turned round and made longer: its mean moves everyone away from the minimum (Li,
// Xiao, Chen, Giannakis, Ling, "RSA: Byzantine-robust stochastic aggregation", AAAI 2019).
#include "simulation/attack.h"

struct sign_flip_options {
    struct chosen chosen;
    double scale;
};

static const struct field fields[] = {
    CHOSEN_FIELDS(struct sign_flip_options, "attack"),
    {.name = "scale",
     .type = FIELD_REAL,
     .offset = offsetof(struct sign_flip_options, scale),
     .fallback = "1",
     .max = 1000,
     .above = true,
     .help = "How many times its length the update that is turned round has"},
    {0},
};

static void flip(const struct attack_step *step, float *summary, size_t n)
{
    const struct sign_flip_options *options = step->options;
    float scale = (float)options->scale;
    for (size_t i = 0; i < n; i++) {
        float start = step->reference ? step->reference[i] : 0;
        summary[i] = start - scale * (summary[i] - start);
    }
}

const struct attack_kind attack_sign_flip = {
    .kind =
        {
            .name = "sign_flip",
            .help = "Attackers send the negative of their update, `scale` times as long",
            .fields = fields,
            .options_bytes = sizeof(struct sign_flip_options),
        },
    .summary = flip,
};
