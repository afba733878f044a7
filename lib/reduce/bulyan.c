// Bulyan over Krum (El Mhamdi, Guerraoui, Rouault 2018, "The hidden vulnerability of distributed learning in
// Byzantium", Section 4): with f bad summaries among n >= 4f + 3, Krum chooses theta = n - 2f one after the
// other, each among those left; then each value is the mean of the theta - 2f nearest to the median of the
// chosen. Numbers of samples do not count. Where few are left, Krum scores by at least one neighbour.
#include "reduce/nearest.h"
#include <math.h>

struct bulyan {
    int64_t byzantine;
};

static const struct field bulyan_fields[] = {
    {.name = "byzantine",
     .type = FIELD_INT,
     .offset = offsetof(struct bulyan, byzantine),
     .fallback = "1",
     .max = NEAREST_ROWS_MAX,
     .help = "Bad summaries of a round to stand, f: it needs 4f + 3 summaries"},
    {0},
};

static enum status bulyan_check_learners(const void *options, size_t least, size_t most, struct error *error)
{
    const struct bulyan *bulyan = options;
    return nearest_check("bulyan", bulyan->byzantine, 4, least, most, error);
}

static enum status bulyan_settle(const void *options, struct gathered *gathered, struct error *error)
{
    const struct bulyan *bulyan = options;
    size_t n_bad = (size_t)bulyan->byzantine, n_chosen = gathered->n_rows - 2 * n_bad;
    struct nearest nearest = {0};
    enum status status = nearest_init(&nearest, gathered, error);
    if (status == STATUS_OK) {
        for (size_t k = 0; k < n_chosen; k++)
            nearest_remove(&nearest, nearest_best(&nearest, n_bad));
        for (size_t i = 0; i < gathered->n_rows; i++)
            gathered->shares[i] = nearest.gone[i] ? 1 : 0;
    }
    nearest_release(&nearest);
    return status;
}

// The sorted column's `n_kept` values nearest to its median stand side by side.
static float mean_around_median(const struct tile *tile, size_t column, size_t n_kept)
{
    float *const *rows = tile->rows;
    size_t n = tile->n_rows, first = 0;
    double median = 0.5 * ((double)rows[(n - 1) / 2][column] + (double)rows[n / 2][column]), sum = 0;
    while (first + n_kept < n &&
           median - (double)rows[first][column] > (double)rows[first + n_kept][column] - median)
        first++;
    for (size_t r = first; r < first + n_kept; r++)
        sum += (double)rows[r][column];
    return (float)(sum / (double)n_kept);
}

static void bulyan_combine(const void *options, const struct tile *tile, float *ret)
{
    const struct bulyan *bulyan = options;
    size_t n_kept = tile->n_rows - 2 * (size_t)bulyan->byzantine;
    tile_sort(tile);
    for (size_t i = 0; i < tile->n; i++)
        ret[i] = mean_around_median(tile, i, n_kept);
}

const struct reducer_kind reducer_bulyan = {
    .kind = {.name = "bulyan",
             .help =
                 "Of the summaries that krum would choose one after the other, the values nearest to their "
                 "median",
             .fields = bulyan_fields,
             .options_bytes = sizeof(struct bulyan)},
    .check_learners = bulyan_check_learners,
    .settle = bulyan_settle,
    .combine = bulyan_combine,
};
