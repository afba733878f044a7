// bench-reduce: how fast summaries are folded: the fixed-point ring beside a plain float addition, hot
// (vectors stay in the cache) and cold (each fold streams another summary from memory), in GB/s of summary
// bytes.
#include "base/clock.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "reduce/ring.h"
#include <stdio.h>
#include <stdlib.h>

KERNEL
static void float_fold(float *restrict sum, const float *restrict x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += scale * x[i];
}

struct bench {
    size_t n_values, n_summaries; // of one fold; summaries taken in turn
    float *summaries;             // [n_summaries, n_values]
    float *floats;
    int64_t *units;
};

enum { FLOATS, RING, N_KINDS };

static void fold(const struct bench *bench, int kind, size_t index)
{
    const float *x = bench->summaries + index % bench->n_summaries * bench->n_values;
    if (kind == FLOATS)
        float_fold(bench->floats, x, bench->n_values, 0.1f);
    else if (!ring_fold(bench->units, x, bench->n_values, 0.1))
        abort();
}

// Best of five runs of a tenth of a second each.
static double gigabytes_per_second(const struct bench *bench, int kind)
{
    double best = 0;
    size_t index = 0;
    fold(bench, kind, 0);
    for (int run = 0; run < 5; run++) {
        int64_t start = clock_monotonic_ns(), now = start;
        size_t n = 0;
        for (; now - start < 100000000; now = clock_monotonic_ns(), n++)
            fold(bench, kind, ++index);
        double speed = (double)(n * bench->n_values * sizeof(float)) / (double)(now - start);
        best = speed > best ? speed : best;
    }
    return best;
}

static void measure(const char *what, size_t n_values, size_t n_summaries)
{
    struct bench bench = {n_values, n_summaries, memory_floats(n_values * n_summaries),
                          memory_floats(n_values), memory_array(n_values, sizeof(int64_t))};
    if (!bench.summaries || !bench.floats || !bench.units)
        abort();
    for (size_t i = 0; i < n_values * n_summaries; i++)
        bench.summaries[i] = (float)(i % 1000) * 0.001f - 0.5f;
    double plain = gigabytes_per_second(&bench, FLOATS), ring = gigabytes_per_second(&bench, RING);
    printf("%-5s %10zu values x %2zu  float %6.1f GB/s  fixed point %6.1f GB/s  (%.2f)\n", what, n_values,
           n_summaries, plain, ring, ring / plain);
    memory_free(bench.summaries);
    memory_free(bench.floats);
    memory_free(bench.units);
}

int main(void)
{
    memory_tune_for_streams();
    measure("hot", 1 << 12, 1);
    measure("hot", 1 << 16, 1);
    measure("chunk", 1 << 18, 32); // the sums stay in the cache, as when learners send the same range
    measure("cold", 8 << 20, 8);
    return 0;
}
