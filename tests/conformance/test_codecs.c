// Every codec: the bytes it tells are the bytes it makes, what it decodes in ranges is what it decodes whole,
// both sides agree, what it loses it says, and bytes from anybody do no harm.
#include "base/memory.h"
#include "base/philox.h"
#include "config/fields.h"
#include "summary/codec.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 60, COLUMNS = 130, N_MODEL = ROWS * COLUMNS + ROWS, N_VALUES = N_MODEL + 2117 };

static float values[N_VALUES];
static struct layout layout;
static struct arena arena;
static struct document document;

static void make_values(void)
{
    struct random random = random_open((struct random_key){.seed = 5, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N_VALUES; i++)
        values[i] = (float)random_normal(&random);
    cr_assert_eq(layout_add(&layout, "0.weight", &(struct shape){2, {ROWS, COLUMNS}}, NULL), STATUS_OK);
    cr_assert_eq(layout_add(&layout, "0.bias", &(struct shape){1, {ROWS}}, NULL), STATUS_OK);
}

static void release(void)
{
    layout_release(&layout);
    arena_release(&arena);
    document_release(&document);
}

TestSuite(codecs, .init = make_values, .fini = release);

static struct codec_frame frame_of(uint32_t round)
{
    return (struct codec_frame){.n_values = N_VALUES,
                                .layout = &layout,
                                .key = {.seed = 3, .learner = 2, .round = round},
                                .feedback = true};
}

// The codec of that number with its options' defaults.
static const struct codec_kind *codec_at(size_t index, const void **ret_options)
{
    struct choice choice = {0};
    struct error error = ERROR_INIT;
    const struct field row[] = {
        {.name = "codec", .type = FIELD_CHOICE, .registry = &codecs, .fallback = codecs.kinds[index]->name},
        {0}};
    document_release(&document);
    cr_assert_eq(document_parse(&document, "{}", 2, "test", &error), STATUS_OK);
    cr_assert_eq(fields_read(row, document.root, &choice, &arena, &error), STATUS_OK, "%s", error.message);
    *ret_options = choice.options;
    return (const struct codec_kind *)choice.kind;
}

static uint8_t *encode(const struct codec_kind *codec, const void *options, const struct codec_frame *frame)
{
    struct error error = ERROR_INIT;
    uint8_t *encoded = memory_alloc(codec->encoded_bytes(options, frame));
    cr_assert_eq(codec->encode(options, frame, values, encoded, &error), STATUS_OK, "%s", error.message);
    return encoded;
}

Test(codecs, say_how_many_bytes_they_take)
{
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        size_t bytes = codec->encoded_bytes(options, &frame);
        cr_assert_eq(codec->identity, codec->encode == NULL, "%s", codec->kind.name);
        cr_assert_eq(codec->identity, codec->decode == NULL, "%s", codec->kind.name);
        cr_assert(bytes > 0 && bytes <= sizeof values, "%s", codec->kind.name);
        cr_assert_eq(codec->identity, bytes == sizeof values, "%s", codec->kind.name);
    }
}

// Nothing is written behind the bytes that were told, whatever the number of values.
Test(codecs, write_no_more_than_they_say)
{
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        for (size_t n = 1; n < 3000 && !codec->identity; n += n < 100 ? 1 : 367) {
            const struct codec_frame frame = {.n_values = n, .key = {.seed = 1}};
            size_t bytes = codec->encoded_bytes(options, &frame);
            uint8_t *encoded = memory_alloc(bytes + 8);
            memset(encoded, 0xa5, bytes + 8);
            cr_assert_eq(codec->encode(options, &frame, values, encoded, NULL), STATUS_OK);
            for (size_t i = 0; i < 8; i++)
                cr_assert_eq(encoded[bytes + i], 0xa5, "%s of %zu values", codec->kind.name, n);
            memory_free(encoded);
        }
    }
}

Test(codecs, give_back_in_ranges_what_they_give_back_whole)
{
    static float whole[N_VALUES], pieces[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        if (codec->identity)
            continue; // nothing is made
        uint8_t *encoded = encode(codec, options, &frame);
        if (codec->check)
            cr_assert_eq(codec->check(options, &frame, encoded, NULL), STATUS_OK, "%s", codec->kind.name);
        codec->decode(options, &frame, encoded, 0, N_VALUES, whole);
        for (size_t at = 0; at < N_VALUES; at += 611)
            codec->decode(options, &frame, encoded, at, 611 < N_VALUES - at ? 611 : N_VALUES - at,
                          pieces + at);
        cr_assert_eq(memcmp(whole, pieces, sizeof whole), 0, "%s", codec->kind.name);
        memory_free(encoded);
    }
}

// What is decoded before the last byte has come needs none of those that follow.
Test(codecs, decode_beginnings)
{
    static float whole[N_VALUES], early[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        if (!codec->ready)
            continue;
        uint8_t *encoded = encode(codec, options, &frame);
        size_t bytes = codec->encoded_bytes(options, &frame), n_before = 0;
        codec->decode(options, &frame, encoded, 0, N_VALUES, whole);
        uint8_t *begun = memory_alloc(bytes);
        for (size_t n = 0; n < bytes; n += n < 600 ? 1 : 997) {
            size_t n_ready = codec->ready(options, &frame, n);
            cr_assert(n_ready >= n_before && n_ready <= N_VALUES, "%s: %zu of %zu bytes", codec->kind.name,
                      n_ready, n);
            memset(begun, 0xff, bytes);
            memcpy(begun, encoded, n);
            codec->decode(options, &frame, begun, 0, n_ready, early);
            cr_assert_eq(memcmp(early, whole, n_ready * sizeof *early), 0, "%s: %zu values of %zu bytes",
                         codec->kind.name, n_ready, n);
            n_before = n_ready;
        }
        if (!codec->of) // for which it is the other codec's
            cr_assert_gt(codec->ready(options, &frame, bytes - 1), N_VALUES / 2, "%s", codec->kind.name);
        memory_free(begun);
        memory_free(encoded);
    }
}

static double square(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (b ? (double)b[i] : 0)) * ((double)a[i] - (b ? (double)b[i] : 0));
    return sum;
}

// What error feedback needs: a codec takes more of the values than it leaves, so what is kept back and added
// to the next summary does not grow without bound (Stich et al. 2018, a delta-compressor).
Test(codecs, leave_less_than_there_was)
{
    static float back[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        if (codec->identity)
            continue;
        uint8_t *encoded = encode(codec, options, &frame);
        codec->decode(options, &frame, encoded, 0, N_VALUES, back);
        double left = square(values, back, N_VALUES) / square(values, NULL, N_VALUES);
        cr_assert_lt(left, 1, "%s leaves %g", codec->kind.name, left);
        if (codec->exact)
            cr_assert_eq(memcmp(values, back, sizeof values), 0, "%s", codec->kind.name);
        memory_free(encoded);
    }
}

// The error of the mean of R rounds shrinks as 1/R where a codec is unbiased, in the square.
Test(codecs, are_right_in_the_mean_where_they_say_so)
{
    enum { ROUNDS = 64 };
    static float back[N_VALUES], mean[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        if (codec->identity || !codec->unbiased)
            continue;
        double once = 0;
        memset(mean, 0, sizeof mean);
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            struct codec_frame frame = frame_of(round);
            frame.feedback = false;
            uint8_t *encoded = encode(codec, options, &frame);
            codec->decode(options, &frame, encoded, 0, N_VALUES, back);
            once += square(values, back, N_VALUES) / ROUNDS;
            for (size_t i = 0; i < N_VALUES; i++)
                mean[i] += back[i] / ROUNDS;
            memory_free(encoded);
        }
        double all = square(values, mean, N_VALUES);
        cr_assert_lt(all, once / ROUNDS * 1.5, "%s: %g once, %g in the mean", codec->kind.name, once, all);
    }
}

// A codec refuses bytes, or makes something of them, within its bounds (which a sanitizer watches).
Test(codecs, take_any_bytes)
{
    static float back[N_VALUES];
    struct random random = random_open((struct random_key){.seed = 9, .purpose = RANDOM_TEST});
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        if (codec->identity)
            continue;
        size_t bytes = codec->encoded_bytes(options, &frame);
        uint8_t *encoded = memory_alloc(bytes);
        for (int trial = 0; trial < 20; trial++) {
            for (size_t i = 0; i < bytes; i++)
                encoded[i] = trial == 0 ? 0xff : trial == 1 ? 0 : (uint8_t)random_u32(&random);
            if (codec->check && codec->check(options, &frame, encoded, NULL) != STATUS_OK)
                continue;
            codec->decode(options, &frame, encoded, 0, N_VALUES, back);
        }
        memory_free(encoded);
    }
}

// A value that is not finite must not come out as an ordinary one: the reduction refuses it.
Test(codecs, let_no_fault_pass_for_a_number)
{
    static float broken[N_VALUES], back[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const void *options;
        const struct codec_kind *codec = codec_at(k, &options);
        const struct codec_frame frame = frame_of(1);
        if (codec->identity || strcmp(codec->kind.name, "random_k") == 0)
            continue; // whose places may not fall on the fault: then it is not sent at all
        for (int fault = 0; fault < 2; fault++) {
            memcpy(broken, values, sizeof broken);
            broken[777] = fault ? INFINITY : NAN;
            uint8_t *encoded = memory_alloc(codec->encoded_bytes(options, &frame));
            cr_assert_eq(codec->encode(options, &frame, broken, encoded, NULL), STATUS_OK);
            codec->decode(options, &frame, encoded, 0, N_VALUES, back);
            bool found = false;
            for (size_t i = 0; i < N_VALUES; i++)
                found = found || !isfinite(back[i]);
            cr_assert(found, "%s hides %g", codec->kind.name, (double)broken[777]);
            memory_free(encoded);
        }
    }
}
