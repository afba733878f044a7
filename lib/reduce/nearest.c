#include "reduce/nearest.h"
#include "base/memory.h"
#include <stdlib.h>

static int compare(const void *left, const void *right, void *distances)
{
    uint16_t a = *(const uint16_t *)left, b = *(const uint16_t *)right;
    double x = ((const double *)distances)[a], y = ((const double *)distances)[b];
    return x < y ? -1 : x > y ? 1 : (a > b) - (a < b);
}

static void sort_others(struct nearest *nearest, size_t row)
{
    uint16_t *order = nearest->order + row * (nearest->n - 1);
    for (size_t i = 0, k = 0; i < nearest->n; i++)
        if (i != row)
            order[k++] = (uint16_t)i;
    qsort_r(order, nearest->n - 1, sizeof *order, compare, nearest->distances + row * nearest->n);
}

enum status nearest_init(struct nearest *nearest, const struct gathered *gathered, struct error *error)
{
    size_t n = gathered->n_rows;
    *nearest = (struct nearest){
        .n = n,
        .n_left = n,
        .distances = memory_array(n * n, sizeof(double)),
        .order = memory_array(n * n, sizeof(uint16_t)),
        .gone = memory_array(n, sizeof(bool)),
    };
    if (!nearest->distances || !nearest->order || !nearest->gone)
        return error_no_memory(error, n * n * sizeof(double));
    TRY(gathered_distances(gathered, nearest->distances, error));
    for (size_t i = 0; i < n; i++)
        sort_others(nearest, i);
    return STATUS_OK;
}

void nearest_release(struct nearest *nearest)
{
    memory_free(nearest->distances);
    memory_free(nearest->order);
    memory_free(nearest->gone);
    *nearest = (struct nearest){0};
}

double nearest_score(const struct nearest *nearest, size_t row, size_t n_bad)
{
    const uint16_t *order = nearest->order + row * (nearest->n - 1);
    size_t n_counted = nearest->n_left > n_bad + 3 ? nearest->n_left - n_bad - 2 : 1;
    double score = 0;
    for (size_t k = 0; k < nearest->n - 1 && n_counted; k++) {
        if (nearest->gone[order[k]])
            continue;
        score += nearest->distances[row * nearest->n + order[k]];
        n_counted--;
    }
    return score;
}

size_t nearest_best(const struct nearest *nearest, size_t n_bad)
{
    size_t best = nearest->n;
    double lowest = 0;
    for (size_t i = 0; i < nearest->n; i++) {
        if (nearest->gone[i])
            continue;
        double score = nearest_score(nearest, i, n_bad);
        if (best == nearest->n || score < lowest) {
            best = i;
            lowest = score;
        }
    }
    return best;
}

void nearest_remove(struct nearest *nearest, size_t row)
{
    nearest->gone[row] = true;
    nearest->n_left--;
}

enum status nearest_check(const char *name, int64_t byzantine, int64_t factor, size_t least, size_t most,
                          struct error *error)
{
    size_t needed = (size_t)(factor * byzantine + 3);
    if (least < needed)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%s with byzantine '%lld' needs %zu summaries a round, not %zu; set "
                         "collaboration.participation.minimum to that or more, or lower byzantine",
                         name, (long long)byzantine, needed, least);
    if (most > NEAREST_ROWS_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%s compares every two summaries of a round, and so at most %d, not %zu; lower "
                         "collaboration.participation.fraction",
                         name, NEAREST_ROWS_MAX, most);
    return STATUS_OK;
}
