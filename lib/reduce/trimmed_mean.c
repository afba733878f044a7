// The coordinate-wise trimmed mean (Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed
// learning: towards optimal statistical rates", Algorithm 1, option II): of n values the floor(trim * n)
// lowest and highest are left out. Every summary counts the same, whatever number of samples its learner
// claims.
#include "reduce/gathered.h"
#include <math.h>
#include <string.h>

struct trimmed_mean {
    double trim;
};

static const struct field trimmed_mean_fields[] = {
    {.name = "trim",
     .type = FIELD_REAL,
     .offset = offsetof(struct trimmed_mean, trim),
     .fallback = "0.1",
     .max = 0.5,
     .above = true,
     .help = "Share of the values left out at each end, rounded down to whole summaries; below 0.5, and at "
             "least the share of learners that may be bad"},
    {0},
};

static size_t n_trimmed(const struct trimmed_mean *options, size_t n)
{
    return (size_t)floor(options->trim * (double)n + 1e-9); // 0.3 of 10 is 3
}

static enum status trimmed_mean_check(const void *options, struct error *error)
{
    const struct trimmed_mean *trimmed = options;
    if (trimmed->trim < 0.5)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "trim '%g' must be below 0.5, or nothing is left; choose median for that",
                     trimmed->trim);
}

static enum status trimmed_mean_check_learners(const void *options, size_t least, size_t most,
                                               struct error *error)
{
    const struct trimmed_mean *trimmed = options;
    (void)most;
    if (n_trimmed(trimmed, least) > 0)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "trim '%g' of %zu summaries leaves none out; set collaboration.participation.minimum to "
                     "%.0f or more, or raise trim",
                     trimmed->trim, least, ceil(1 / trimmed->trim - 1e-9));
}

enum { COLUMNS = 512 };

static void trimmed_mean_combine(const void *options, const struct tile *tile, float *ret)
{
    size_t n_out = n_trimmed(options, tile->n_rows), n_in = tile->n_rows - 2 * n_out;
    double sums[COLUMNS];
    tile_sort(tile);
    for (size_t at = 0, n; at < tile->n; at += n) {
        n = tile->n - at < COLUMNS ? tile->n - at : COLUMNS;
        memset(sums, 0, sizeof sums);
        for (size_t r = n_out; r < n_out + n_in; r++)
            for (size_t i = 0; i < n; i++)
                sums[i] += (double)tile->rows[r][at + i];
        for (size_t i = 0; i < n; i++)
            ret[at + i] = (float)(sums[i] / (double)n_in);
    }
}

const struct reducer_kind reducer_trimmed_mean = {
    .kind = {.name = "trimmed_mean",
             .help = "The mean of each value without the lowest and the highest, every summary counting the "
                     "same",
             .fields = trimmed_mean_fields,
             .options_bytes = sizeof(struct trimmed_mean),
             .check = trimmed_mean_check},
    .check_learners = trimmed_mean_check_learners,
    .combine = trimmed_mean_combine,
};
