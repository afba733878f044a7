#include "config/fields.h"
#include "summary/codec.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 5000 };

struct fixture {
    struct document document;
    struct arena arena;
    struct choice codec;
};

static const struct field codec_row[] = {
    {.name = "codec", .type = FIELD_CHOICE, .registry = &codecs, .required = true},
    {0}};

static const struct codec_kind *read_codec(struct fixture *fixture, const char *yaml)
{
    struct error error = ERROR_INIT;
    *fixture = (struct fixture){0};
    cr_assert_eq(document_parse(&fixture->document, yaml, strlen(yaml), "test", &error), STATUS_OK);
    struct choice *choice = &fixture->codec;
    cr_assert_eq(fields_read(codec_row, fixture->document.root, choice, &fixture->arena, &error), STATUS_OK,
                 "%s", error.message);
    return (const struct codec_kind *)choice->kind;
}

static void release(struct fixture *fixture)
{
    arena_release(&fixture->arena);
    document_release(&fixture->document);
}

static void round_trip(const char *yaml, const struct codec_frame *frame, const float *values, float *ret)
{
    struct fixture fixture;
    static uint8_t encoded[N * 8];
    const struct codec_kind *codec = read_codec(&fixture, yaml);
    const void *options = fixture.codec.options;
    cr_assert_leq(codec->encoded_bytes(options, frame), sizeof encoded);
    cr_assert_eq(codec->encode(options, frame, values, encoded, NULL), STATUS_OK);
    if (codec->check)
        cr_assert_eq(codec->check(options, frame, encoded, NULL), STATUS_OK);
    codec->decode(options, frame, encoded, 0, frame->n_values, ret);
    release(&fixture);
}

static size_t bytes_of(const char *yaml, const struct codec_frame *frame)
{
    struct fixture fixture;
    const struct codec_kind *codec = read_codec(&fixture, yaml);
    size_t bytes = codec->encoded_bytes(fixture.codec.options, frame);
    release(&fixture);
    return bytes;
}

static void fill(float *values, uint64_t seed)
{
    struct random random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++)
        values[i] = (float)random_normal(&random);
}

Test(codec, f32_is_the_values_themselves)
{
    const struct codec_kind *f32 = (const struct codec_kind *)registry_find(&codecs, "f32");
    cr_assert_not_null(f32);
    cr_assert(f32->identity);
    cr_assert_eq(f32->encoded_bytes(NULL, &(struct codec_frame){.n_values = 0}), 0);
    cr_assert_eq(f32->encoded_bytes(NULL, &(struct codec_frame){.n_values = 235146}), 940584);
    cr_assert_null(f32->encode);
}

Test(codec, sizes_are_what_the_help_says)
{
    const struct codec_frame frame = {.n_values = 1 << 20};
    cr_assert_eq(bytes_of("{codec: f16}", &frame), 2 << 20);
    cr_assert_eq(bytes_of("{codec: bf16}", &frame), 2 << 20);
    cr_assert_gt((4 << 20) / (double)bytes_of("{codec: int8}", &frame), 3.9);
    cr_assert_gt((4 << 20) / (double)bytes_of("{codec: int4}", &frame), 7);
    cr_assert_gt((4 << 20) / (double)bytes_of("{codec: sign}", &frame), 31);
    cr_assert_eq(bytes_of("{codec: {kind: top_k, fraction: 0.01}}", &frame), 10486 * 8);
    cr_assert_eq(bytes_of("{codec: {kind: random_k, fraction: 0.125}}", &frame), (1 << 20) / 8 * 4);
}

Test(codec, int8_with_feedback_is_off_by_half_a_step_at_most)
{
    static float values[N], back[N];
    const struct codec_frame frame = {.n_values = N, .feedback = true};
    fill(values, 1);
    round_trip("{codec: {kind: int8, block: 100}}", &frame, values, back);
    for (size_t first = 0; first < N; first += 100) {
        float most = 0;
        for (size_t i = first; i < first + 100; i++)
            most = fmaxf(most, fabsf(values[i]));
        for (size_t i = first; i < first + 100; i++)
            cr_assert_leq((double)fabsf(values[i] - back[i]), (double)most / 127 * 0.501);
    }
}

Test(codec, int4_keeps_whole_numbers_up_to_seven)
{
    float values[16], back[16];
    for (int i = 0; i < 15; i++)
        values[i] = (float)(i - 7);
    values[15] = 0;
    const struct codec_frame frame = {.n_values = 16};
    round_trip("{codec: {kind: int4, block: 16}}", &frame, values, back);
    cr_assert_eq(memcmp(values, back, sizeof values), 0);
}

Test(codec, zeros_stay_zeros)
{
    static float zeros[N], back[N];
    const char *const lossy[] = {"f16", "bf16", "int8", "int4", "top_k", "random_k", "sign", "low_rank"};
    for (size_t k = 0; k < sizeof lossy / sizeof *lossy; k++) {
        char yaml[64];
        const struct codec_frame frame = {.n_values = N};
        snprintf(yaml, sizeof yaml, "{codec: %s}", lossy[k]);
        memset(back, 1, sizeof back);
        round_trip(yaml, &frame, zeros, back);
        for (size_t i = 0; i < N; i++)
            cr_assert_eq(back[i], 0, "%s", lossy[k]);
    }
}

Test(codec, top_k_keeps_the_largest_and_no_other)
{
    static float values[N], back[N];
    const struct codec_frame frame = {.n_values = N};
    fill(values, 2);
    for (size_t i = 0; i < N; i += 50)
        values[i] = i % 100 ? 100 : -100; // a hundred, all of one size
    round_trip("{codec: {kind: top_k, fraction: 0.02}}", &frame, values, back);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(back[i], i % 50 ? 0 : values[i]);
    round_trip("{codec: {kind: top_k, fraction: 0.01}}", &frame, values, back); // the first fifty of them
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(back[i], i % 50 || i >= 2500 ? 0 : values[i]);
}

Test(codec, top_k_refuses_positions_that_do_not_ascend_below_the_end)
{
    struct fixture fixture;
    const struct codec_kind *codec = read_codec(&fixture, "{codec: {kind: top_k, fraction: 0.5}}");
    const struct codec_frame frame = {.n_values = 4};
    const uint32_t wrong[][2] = {{0, 4}, {2, 1}, {1, 1}, {0xffffffff, 0}};
    uint8_t encoded[16] = {0};
    for (size_t i = 0; i < 4; i++) {
        struct error error = ERROR_INIT;
        memcpy(encoded, wrong[i], sizeof wrong[i]);
        cr_assert_eq(codec->check(fixture.codec.options, &frame, encoded, &error), STATUS_DATA_LOSS);
        cr_assert(strstr(error.message, "ascending"), "%s", error.message);
    }
    release(&fixture);
}

Test(codec, random_k_sends_a_share_of_the_values_and_draws_anew_each_round)
{
    static float values[N], back[N], next[N];
    struct codec_frame frame = {.n_values = N, .key = {.round = 1}, .feedback = true};
    fill(values, 3);
    round_trip("{codec: {kind: random_k, fraction: 0.25}}", &frame, values, back);
    frame.key.round = 2;
    round_trip("{codec: {kind: random_k, fraction: 0.25}}", &frame, values, next);
    size_t n_sent = 0, n_both = 0;
    for (size_t i = 0; i < N; i++) {
        cr_assert(back[i] == 0 || back[i] == values[i]);
        n_sent += back[i] != 0;
        n_both += back[i] != 0 && next[i] != 0;
    }
    cr_assert_eq(n_sent, N / 4);
    cr_assert(n_both > N / 32 && n_both < N / 8, "%zu", n_both);
}

Test(codec, random_k_is_right_in_the_mean_without_feedback)
{
    enum { ROUNDS = 400 };
    static float values[N], back[N];
    static double mean[N];
    double off = 0, size = 0;
    fill(values, 4);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        const struct codec_frame frame = {.n_values = N, .key = {.round = round}};
        round_trip("{codec: {kind: random_k, fraction: 0.5}}", &frame, values, back);
        for (size_t i = 0; i < N; i++)
            mean[i] += (double)back[i] / ROUNDS;
    }
    for (size_t i = 0; i < N; i++) {
        off += (mean[i] - (double)values[i]) * (mean[i] - (double)values[i]);
        size += (double)values[i] * (double)values[i];
    }
    cr_assert_lt(off / size, 1.3 / ROUNDS, "%g", off / size); // the variance of one draw is the square itself
}

Test(codec, sign_gives_back_the_mean_size)
{
    float values[] = {1, -2, 3, -2}, back[4];
    const struct codec_frame frame = {.n_values = 4};
    round_trip("{codec: sign}", &frame, values, back);
    const float expected[] = {2, -2, 2, -2};
    cr_assert_eq(memcmp(back, expected, sizeof back), 0);
}

Test(codec, low_rank_gives_back_a_matrix_of_that_rank)
{
    enum { ROWS = 40, COLUMNS = 70, BIAS = 40 };
    static float values[ROWS * COLUMNS + BIAS], back[ROWS * COLUMNS + BIAS];
    struct layout layout = LAYOUT_INIT;
    cr_assert_eq(layout_add(&layout, "w", &(struct shape){2, {ROWS, COLUMNS}}, NULL), STATUS_OK);
    cr_assert_eq(layout_add(&layout, "b", &(struct shape){1, {BIAS}}, NULL), STATUS_OK);
    struct random random = random_open((struct random_key){.seed = 8, .purpose = RANDOM_TEST});
    float u[2][ROWS], v[2][COLUMNS];
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < ROWS; i++)
            u[r][i] = (float)random_normal(&random);
        for (size_t i = 0; i < COLUMNS; i++)
            v[r][i] = (float)random_normal(&random);
    }
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        values[i] = u[0][i / COLUMNS] * v[0][i % COLUMNS] + u[1][i / COLUMNS] * v[1][i % COLUMNS];
    for (size_t i = 0; i < BIAS; i++)
        values[ROWS * COLUMNS + i] = (float)i;
    const struct codec_frame frame = {.n_values = ROWS * COLUMNS + BIAS, .layout = &layout};
    cr_assert_eq(bytes_of("{codec: {kind: low_rank, rank: 2}}", &frame), (2 * (ROWS + COLUMNS) + BIAS) * 4);
    for (int rank = 2; rank <= 4; rank++) {
        char yaml[64];
        snprintf(yaml, sizeof yaml, "{codec: {kind: low_rank, rank: %d}}", rank);
        round_trip(yaml, &frame, values, back);
        for (size_t i = 0; i < ROWS * COLUMNS + BIAS; i++)
            cr_assert_float_eq((double)back[i], (double)values[i], 1e-4, "rank %d, value %zu", rank, i);
    }
    layout_release(&layout);
}
