// The coordinate-wise median (Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning:
// towards optimal statistical rates", Algorithm 1, option I): of an even number, the mean of the two in the
// middle. Every summary counts the same, whatever number of samples its learner claims.
#include "reduce/gathered.h"

static void median_combine(const void *options, const struct tile *tile, float *ret)
{
    (void)options;
    const float *low = tile->rows[(tile->n_rows - 1) / 2], *high = tile->rows[tile->n_rows / 2];
    tile_sort(tile);
    for (size_t i = 0; i < tile->n; i++)
        ret[i] = (float)(0.5 * ((double)low[i] + (double)high[i]));
}

const struct reducer_kind reducer_median = {
    .kind = {.name = "median",
             .help = "The median of each value, every summary counting the same; stands fewer than half bad"},
    .combine = median_combine,
};
