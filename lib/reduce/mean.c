// The weighted mean, exact in any order: sum_i w_i x_i / sum_i w_i over the fixed-point ring.
#include "base/memory.h"
#include "reduce/reducer.h"
#include <string.h>

struct mean {
    int64_t *sums; // [n_values]
};

static void mean_close(void *state)
{
    struct mean *mean = state;
    if (!mean)
        return;
    memory_free(mean->sums);
    memory_free(mean);
}

static enum status mean_open(const void *options, size_t n_values, void **ret, struct error *error)
{
    if (n_values > SIZE_MAX / sizeof(int64_t))
        return error_no_memory(error, SIZE_MAX);
    struct mean *mean = memory_zalloc(sizeof *mean);
    // Two floats make one sum: this allocator's blocks are aligned for kernels and zeroed only when touched.
    int64_t *sums = mean ? (int64_t *)(void *)memory_floats(n_values * 2) : NULL;
    if (!sums) {
        memory_free(mean);
        return error_no_memory(error, n_values * sizeof(int64_t));
    }
    mean->sums = sums;
    *ret = mean;
    return STATUS_OK;
}

static enum status mean_fold(void *state, size_t offset, const void *values, size_t n, double scale,
                             struct error *error)
{
    struct mean *mean = state;
    if (ring_fold(mean->sums + offset, values, n, scale))
        return STATUS_OK;
    size_t index = 0;
    float bad;
    enum ring_fault why = ring_check(values, n, scale, &index);
    memcpy(&bad, (const char *)values + index * sizeof bad, sizeof bad);
    if (why == RING_NOT_FINITE)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "value %zu of the summary is '%g': train with a smaller learning rate or clip_norm",
                         offset + index, (double)bad);
    return error_set(
        error, STATUS_OUT_OF_RANGE,
        "value %zu of the summary, '%g', times its weight %g is not below %d in size: train with a "
        "smaller learning rate or clip_norm",
        offset + index, (double)bad, scale, 1 << RING_TERM_BITS);
}

static void mean_finish(const void *state, size_t offset, size_t n, double total, float *ret)
{
    const struct mean *mean = state;
    ring_mean(ret, mean->sums + offset, n, total);
}

static void mean_reset(void *state, size_t offset, size_t n)
{
    struct mean *mean = state;
    memset(mean->sums + offset, 0, n * sizeof *mean->sums);
}

static int64_t *mean_sums(void *state)
{
    struct mean *mean = state;
    return mean->sums;
}

const struct reducer_kind reducer_mean = {
    .kind = {.name = "mean", .help = "The mean weighted by samples, the same bytes in any order of arrival"},
    .streams = true,
    .open = mean_open,
    .fold = mean_fold,
    .finish = mean_finish,
    .reset = mean_reset,
    .close = mean_close,
    .sums = mean_sums,
};
