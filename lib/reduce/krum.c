// Krum (Blanchard, El Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries: Byzantine tolerant
// gradient descent", Section 4): the one summary whose n - f - 2 nearest are the nearest, with f bad ones
// among n >= 2f + 3. Numbers of samples do not count.
#include "reduce/nearest.h"
#include <string.h>

struct krum {
    int64_t byzantine;
};

static const struct field krum_fields[] = {
    {.name = "byzantine",
     .type = FIELD_INT,
     .offset = offsetof(struct krum, byzantine),
     .fallback = "1",
     .max = NEAREST_ROWS_MAX,
     .help = "Bad summaries of a round to stand, f: it needs 2f + 3 summaries"},
    {0},
};

static enum status krum_check_learners(const void *options, size_t least, size_t most, struct error *error)
{
    const struct krum *krum = options;
    return nearest_check("krum", krum->byzantine, 2, least, most, error);
}

static enum status krum_settle(const void *options, struct gathered *gathered, struct error *error)
{
    const struct krum *krum = options;
    struct nearest nearest = {0};
    enum status status = nearest_init(&nearest, gathered, error);
    if (status == STATUS_OK) {
        memset(gathered->shares, 0, gathered->n_rows * sizeof *gathered->shares);
        gathered->shares[nearest_best(&nearest, (size_t)krum->byzantine)] = 1;
    }
    nearest_release(&nearest);
    return status;
}

static void krum_combine(const void *options, const struct tile *tile, float *ret)
{
    (void)options;
    tile_sum(tile, 0, tile->n, ret);
}

const struct reducer_kind reducer_krum = {
    .kind = {.name = "krum",
             .help = "The one summary that lies nearest to its neighbours",
             .fields = krum_fields,
             .options_bytes = sizeof(struct krum)},
    .check_learners = krum_check_learners,
    .settle = krum_settle,
    .combine = krum_combine,
};
