// The mean of updates clipped to a norm (Sun, Kairouz, Suresh, McMahan 2019, "Can you really backdoor
// federated learning?", norm thresholding): a summary x around the round's model m counts as
// m + (x - m) * min(1, clip / ||x - m||), weighted by samples. Nobody moves the model further than the share
// of the samples times `clip`.
#include "base/memory.h"
#include "reduce/gathered.h"

struct norm_clipped_mean {
    double clip;
};

static const struct field norm_clipped_mean_fields[] = {
    {.name = "clip",
     .type = FIELD_REAL,
     .offset = offsetof(struct norm_clipped_mean, clip),
     .fallback = "1",
     .max = 1e30,
     .above = true,
     .help = "The longest that a learner's update counts, as its Euclidean norm over all values"},
    {0},
};

static enum status norm_clipped_mean_settle(const void *options, struct gathered *gathered,
                                            struct error *error)
{
    const struct norm_clipped_mean *clipped = options;
    double *norms = memory_array(gathered->n_rows, sizeof *norms), total = 0;
    if (!norms)
        return error_no_memory(error, gathered->n_rows * sizeof *norms);
    enum status status = gathered_norms(gathered, norms, error);
    for (size_t i = 0; i < gathered->n_rows; i++)
        total += (double)gathered->weights[i];
    for (size_t i = 0; i < gathered->n_rows; i++) {
        double share = (double)gathered->weights[i] / total;
        double kept = norms[i] > clipped->clip ? clipped->clip / norms[i] : 1;
        gathered->shares[i] = share * kept;
        gathered->rest += share * (1 - kept);
    }
    memory_free(norms);
    return status;
}

static void norm_clipped_mean_combine(const void *options, const struct tile *tile, float *ret)
{
    (void)options;
    tile_sum(tile, 0, tile->n, ret);
}

const struct reducer_kind reducer_norm_clipped_mean = {
    .kind = {.name = "norm_clipped_mean",
             .help = "The mean weighted by samples, in which no update counts longer than a norm",
             .fields = norm_clipped_mean_fields,
             .options_bytes = sizeof(struct norm_clipped_mean)},
    .settle = norm_clipped_mean_settle,
    .combine = norm_clipped_mean_combine,
};
