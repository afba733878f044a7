// The geometric median (Pillutla, Kakade, Harchaoui 2022, "Robust aggregation for federated learning",
// Algorithm 2, the smoothed Weiszfeld algorithm): the point z with the least sum over i of a_i ||x_i - z||,
// a_i learner i's share of the samples, by steps z = sum b_i x_i / sum b_i with b_i = a_i / max(epsilon,
// ||x_i
// - z||) from the round's model on. It stands bad summaries with less than half of the samples.
#include "base/memory.h"
#include "reduce/distance.h"
#include "reduce/gathered.h"
#include <math.h>
#include <string.h>

struct geometric_median {
    int64_t iterations;
    double epsilon;
};

static const struct field geometric_median_fields[] = {
    {.name = "iterations",
     .type = FIELD_INT,
     .offset = offsetof(struct geometric_median, iterations),
     .fallback = "8",
     .min = 1,
     .max = 1000,
     .help = "Steps of the Weiszfeld algorithm, each a pass over all summaries"},
    {.name = "epsilon",
     .type = FIELD_REAL,
     .offset = offsetof(struct geometric_median, epsilon),
     .fallback = "1e-6",
     .max = 1e6,
     .above = true,
     .help = "Distance below which a summary counts as being this far away: smooths the step"},
    {0},
};

enum { COLUMNS = 1 << 10 };

struct measuring {
    const struct gathered *gathered;
    const struct tile *tile;
    float *point;      // [columns of a tile]
    double *distances; // [n_rows] squared
};

static void make_point(void *user, size_t first, size_t n)
{
    struct measuring *measuring = user;
    size_t at = first * COLUMNS, some = measuring->tile->n - at;
    (void)n;
    tile_sum(measuring->tile, at, some < COLUMNS ? some : COLUMNS, measuring->point + at);
}

static void measure(void *user, size_t i, size_t n)
{
    struct measuring *measuring = user;
    (void)n;
    measuring->distances[i] +=
        squared_distance(measuring->tile->rows[i], measuring->point, measuring->tile->n);
}

static void visit(void *user, const struct tile *tile)
{
    struct measuring *measuring = user;
    measuring->tile = tile;
    gathered_share_out(measuring->gathered, (tile->n + COLUMNS - 1) / COLUMNS, make_point, measuring);
    gathered_share_out(measuring->gathered, tile->n_rows, measure, measuring);
}

// Each row's distance from the sum of the rows by their shares: [n_rows].
static enum status measure_all(const struct gathered *gathered, double *ret, struct error *error)
{
    struct measuring measuring = {
        .gathered = gathered,
        .point = memory_floats(gathered_columns(gathered)),
        .distances = ret,
    };
    if (!measuring.point)
        return error_no_memory(error, gathered_columns(gathered) * sizeof(float));
    memset(ret, 0, gathered->n_rows * sizeof *ret);
    enum status status = gathered_pass(gathered, visit, &measuring, error);
    for (size_t i = 0; i < gathered->n_rows; i++)
        ret[i] = sqrt(ret[i]);
    memory_free(measuring.point);
    return status;
}

static void step(const struct geometric_median *options, struct gathered *gathered, const double *distances)
{
    double sum = 0;
    for (size_t i = 0; i < gathered->n_rows; i++) {
        gathered->shares[i] = (double)gathered->weights[i] / fmax(options->epsilon, distances[i]);
        sum += gathered->shares[i];
    }
    for (size_t i = 0; i < gathered->n_rows; i++)
        gathered->shares[i] /= sum;
}

static enum status geometric_median_settle(const void *options, struct gathered *gathered,
                                           struct error *error)
{
    const struct geometric_median *median = options;
    double *distances = memory_array(gathered->n_rows, sizeof *distances);
    if (!distances)
        return error_no_memory(error, gathered->n_rows * sizeof *distances);
    enum status status = gathered_norms(gathered, distances, error);
    for (int64_t i = 1; status == STATUS_OK; i++) {
        step(median, gathered, distances);
        if (i == median->iterations)
            break;
        status = measure_all(gathered, distances, error);
    }
    memory_free(distances);
    return status;
}

static void geometric_median_combine(const void *options, const struct tile *tile, float *ret)
{
    (void)options;
    tile_sum(tile, 0, tile->n, ret);
}

const struct reducer_kind reducer_geometric_median = {
    .kind = {.name = "geometric_median",
             .help = "The point with the least distance from all summaries, weighted by samples",
             .fields = geometric_median_fields,
             .options_bytes = sizeof(struct geometric_median)},
    .settle = geometric_median_settle,
    .combine = geometric_median_combine,
};
