// bench-reducers [VALUES [SUMMARIES [MEMORY_MIB [THREADS]]]]: what a round costs each reducer: folding the
// summaries, settling, and finishing all ranges, in seconds; and the process's peak memory, of which one
// summary and the result are the bench's own. Summaries beyond MEMORY_MIB lie in a file in $TMPDIR, or /tmp.
#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "base/pool.h"
#include "config/fields.h"
#include "reduce/reducer.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANGE_VALUES = 1 << 18 };

struct bench {
    size_t n_values, n_summaries, n_threads;
    struct reduction_room room;
    struct pool *pool;
    float *summary, *result; // [n_values]
    struct reduction *reduction;
};

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) * 1e-9;
}

static void check(enum status status, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "bench-reducers: %s\n", error->message);
    exit(1);
}

// Summary i is the first one moved by i places: different at every value, at no cost.
static double fold_all(struct bench *bench)
{
    struct error error = ERROR_INIT;
    int64_t start = clock_monotonic_ns();
    for (uint32_t i = 0; i < bench->n_summaries; i++) {
        const struct contribution from = {.source = i, .weight = 100 + i, .discount = 1};
        for (size_t at = 0, n; at < bench->n_values; at += n) {
            n = bench->n_values - at < RANGE_VALUES ? bench->n_values - at : RANGE_VALUES;
            check(reduction_fold(bench->reduction, at, bench->summary + i + at, n, &from, &error), &error);
        }
        reduction_count(bench->reduction, &from);
    }
    return seconds_since(start);
}

static void finish_range(void *user, size_t first, size_t n)
{
    struct bench *bench = user;
    struct error error = ERROR_INIT;
    check(reduction_finish(bench->reduction, first, n, bench->result + first, &error), &error);
}

static void measure(struct bench *bench, const struct kind *kind)
{
    const struct field row[] = {
        {.name = "reducer", .type = FIELD_CHOICE, .registry = &reducers, .fallback = kind->name}, {0}};
    struct choice choice = {0};
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    check(pool_new(&bench->pool, bench->n_threads, "bench", &error), &error);
    const struct settling settling = {.pool = bench->pool};
    check(fields_read(row, NULL, &choice, &arena, &error), &error);
    check(reduction_new(&bench->reduction, &choice, bench->n_values, &bench->room, &error), &error);
    reduction_reset(bench->reduction, 100);
    double folding = fold_all(bench);
    int64_t start = clock_monotonic_ns();
    enum status status = reduction_settle(bench->reduction, &settling, &error);
    double settled = seconds_since(start);
    start = clock_monotonic_ns();
    if (status == STATUS_OK) {
        pool_for(bench->pool, bench->n_values, RANGE_VALUES, finish_range, bench);
        printf("%-18s fold %6.2f s  settle %6.2f s  finish %6.2f s  peak %5zu MiB\n", kind->name, folding,
               settled, seconds_since(start), memory_peak_rss() >> 20);
    } else {
        printf("%-18s %s\n", kind->name, error.message);
    }
    fflush(stdout);
    reduction_free(bench->reduction);
    arena_release(&arena);
    pool_free(bench->pool);
}

// A process each, so that each has a peak of its own.
static void measure_alone(struct bench *bench, const struct kind *kind)
{
    pid_t child = fork();
    int ended = -1;
    if (child == 0) {
        measure(bench, kind);
        exit(0);
    }
    if (child < 0 || waitpid(child, &ended, 0) != child || ended != 0)
        exit(1);
}

static size_t argument(int argc, char **argv, int index, size_t fallback)
{
    return argc > index ? strtoull(argv[index], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    struct bench bench = {
        .n_values = argument(argc, argv, 1, 25000000),
        .n_summaries = argument(argc, argv, 2, 10),
        .n_threads = argument(argc, argv, 4, pool_n_cores()),
        .room.memory_bytes = argument(argc, argv, 3, 64) << 20,
    };
    memory_tune_for_streams();
    bench.summary = memory_floats(bench.n_values + bench.n_summaries);
    bench.result = memory_floats(bench.n_values);
    if (!bench.summary || !bench.result)
        abort();
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST});
    for (size_t i = 0; i < bench.n_values + bench.n_summaries; i++)
        bench.summary[i] = random_float(&random) - 0.5f;
    for (size_t i = 0; i < reducers.n_kinds; i++)
        measure_alone(&bench, reducers.kinds[i]);
    memory_free(bench.summary);
    memory_free(bench.result);
    return 0;
}
