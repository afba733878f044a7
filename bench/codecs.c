// bench-codecs: how fast every codec encodes and decodes, on one thread, with its options' defaults and error
// feedback on, in GB/s of the float32 values: a weight matrix and its bias, normally distributed.
#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "config/fields.h"
#include "summary/codec.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 1024, COLUMNS = 4096, N_VALUES = ROWS * COLUMNS + ROWS, TILE = 1 << 16, N_RUNS = 5 };

struct bench {
    const struct codec_kind *codec;
    const void *options;
    struct codec_frame frame;
    float *values, *tile; // [N_VALUES], [TILE]
    uint8_t *encoded;
};

static void ok(enum status status, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static void encode(struct bench *bench)
{
    struct error error = ERROR_INIT;
    ok(bench->codec->encode(bench->options, &bench->frame, bench->values, bench->encoded, &error), &error);
}

// As the coordinator does: checked once, then taken apart by tiles.
static void decode(struct bench *bench)
{
    struct error error = ERROR_INIT;
    if (bench->codec->check)
        ok(bench->codec->check(bench->options, &bench->frame, bench->encoded, &error), &error);
    for (size_t first = 0; first < N_VALUES; first += TILE) {
        size_t n = N_VALUES - first < TILE ? N_VALUES - first : TILE;
        bench->codec->decode(bench->options, &bench->frame, bench->encoded, first, n, bench->tile);
    }
}

// Best of N_RUNS.
static double gigabytes_per_second(struct bench *bench, void (*work)(struct bench *))
{
    double best = 0;
    for (int run = 0; run < N_RUNS; run++) {
        int64_t start = clock_monotonic_ns();
        work(bench);
        double speed = (double)(N_VALUES * sizeof(float)) / (double)(clock_monotonic_ns() - start);
        best = speed > best ? speed : best;
    }
    return best;
}

static void measure(const char *name, struct bench *bench)
{
    size_t bytes = bench->codec->encoded_bytes(bench->options, &bench->frame);
    bench->encoded = memory_array(bytes, 1);
    if (!bench->encoded)
        abort();
    double encoding = gigabytes_per_second(bench, encode), decoding = gigabytes_per_second(bench, decode);
    printf("%-10s encode %6.2f GB/s  decode %6.2f GB/s  of f32 %.4f\n", name, encoding, decoding,
           (double)bytes / (N_VALUES * sizeof(float)));
    bench->encoded = memory_free(bench->encoded);
}

// The codec of that number with its options' defaults, which live as long as `arena`.
static struct choice choose(size_t index, struct document *document, struct arena *arena)
{
    struct choice choice = {0};
    struct error error = ERROR_INIT;
    const struct field row[] = {
        {.name = "codec", .type = FIELD_CHOICE, .registry = &codecs, .fallback = codecs.kinds[index]->name},
        {0}};
    ok(fields_read(row, document->root, &choice, arena, &error), &error);
    return choice;
}

int main(void)
{
    struct layout layout = {0};
    struct arena arena = {0};
    struct document document = {0};
    struct error error = ERROR_INIT;
    ok(layout_add(&layout, "0.weight", &(struct shape){2, {ROWS, COLUMNS}}, NULL), &error);
    ok(layout_add(&layout, "0.bias", &(struct shape){1, {ROWS}}, NULL), &error);
    ok(document_parse(&document, "{}", 2, "bench", &error), &error);
    struct bench bench = {.values = memory_floats(N_VALUES), .tile = memory_floats(TILE)};
    if (!bench.values || !bench.tile)
        abort();
    struct random random = random_open((struct random_key){.seed = 1});
    for (size_t i = 0; i < N_VALUES; i++)
        bench.values[i] = (float)random_normal(&random) * 0.01f;
    bench.frame =
        (struct codec_frame){.n_values = N_VALUES, .layout = &layout, .key = {.seed = 1}, .feedback = true};
    for (size_t i = 0; i < codecs.n_kinds; i++) {
        struct choice choice = choose(i, &document, &arena);
        bench.codec = (const struct codec_kind *)choice.kind;
        bench.options = choice.options;
        if (!bench.codec->identity)
            measure(choice.kind->name, &bench);
    }
    memory_free(bench.values);
    memory_free(bench.tile);
    layout_release(&layout);
    document_release(&document);
    arena_release(&arena);
    return 0;
}
