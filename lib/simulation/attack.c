#include "simulation/attack.h"
#include "base/memory.h"

#define X(name) extern const struct attack_kind attack_##name;
#include "simulation/attacks.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &attack_##name.kind,
#include "simulation/attacks.def"
#undef X
};

const struct registry attacks = {.what = "attack", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

enum status benign_open(struct benign *benign, size_t n, struct error *error)
{
    *benign = (struct benign){.n = n, .mean = memory_floats(n), .squares = memory_floats(n)};
    if (benign->mean && benign->squares)
        return STATUS_OK;
    benign_close(benign);
    return error_no_memory(error, 2 * n * sizeof(float));
}

void benign_add(struct benign *benign, const float *summary)
{
    float share = 1 / (float)++benign->n_summaries;
    for (size_t i = 0; i < benign->n; i++) {
        float before = summary[i] - benign->mean[i];
        benign->mean[i] += before * share;
        benign->squares[i] += before * (summary[i] - benign->mean[i]);
    }
}

void benign_close(struct benign *benign)
{
    memory_free(benign->mean);
    memory_free(benign->squares);
    *benign = (struct benign){0};
}
