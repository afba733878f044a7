// Data poisoning: an honest learner of dishonest labels (Tolpegin, Truex, Gursoy, Liu, "Data poisoning
// attacks against federated learning systems", ESORICS 2020; the flip c -> C - 1 - c is that of Fang, Cao,
// Jia, Gong, "Local model poisoning attacks to Byzantine-robust federated learning", USENIX Security 2020).
#include "simulation/attack.h"

static const struct field fields[] = {
    CHOSEN_FIELDS(struct attack_options, "attack"),
    {0},
};

static int32_t flipped(int32_t label, size_t n_classes)
{
    return (int32_t)n_classes - 1 - label;
}

const struct attack_kind attack_label_flip = {
    .kind =
        {
            .name = "label_flip",
            .help = "Attackers train on labels turned round: class c becomes the last class minus c",
            .fields = fields,
            .options_bytes = sizeof(struct attack_options),
        },
    .label = flipped,
};
