#include "base/memory.h"
#include "summary/coder.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 600, N_REFERENCE = 500 };

static struct choice codec;
static struct arena arena;
static struct document document;
static float summary[N], reference[N_REFERENCE], residual[N], back[N];

static void init(void)
{
    struct random random = random_open((struct random_key){.seed = 6, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N_REFERENCE; i++)
        reference[i] = 10 * (float)random_normal(&random);
    for (size_t i = 0; i < N; i++)
        summary[i] = (i < N_REFERENCE ? reference[i] : 0) + (float)random_normal(&random);
}

static void release(void)
{
    arena_release(&arena);
    document_release(&document);
}

TestSuite(coder, .init = init, .fini = release);

static struct coder coder_of(const char *yaml, bool feedback)
{
    const struct field row[] = {
        {.name = "codec", .type = FIELD_CHOICE, .registry = &codecs, .required = true}, {0}};
    document_release(&document);
    codec = (struct choice){0};
    cr_assert_eq(document_parse(&document, yaml, strlen(yaml), "test", NULL), STATUS_OK);
    cr_assert_eq(fields_read(row, document.root, &codec, &arena, NULL), STATUS_OK);
    return (struct coder){.codec = &codec,
                          .frame = {.n_values = N, .feedback = feedback},
                          .reference = reference,
                          .n_reference = N_REFERENCE};
}

static void pass(const struct coder *coder, float *ret)
{
    uint8_t *encoded = memory_alloc(coder_bytes(coder));
    cr_assert_eq(coder_encode(coder, summary, residual, encoded, NULL), STATUS_OK);
    cr_assert_eq(coder_check(coder, encoded, NULL), STATUS_OK);
    for (size_t at = 0; at < N; at += 77) // a range across the reference's end
        coder_decode(coder, encoded, at, 77 < N - at ? 77 : N - at, ret + at);
    memory_free(encoded);
}

static double distance(const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / N);
}

Test(coder, what_is_far_from_zero_but_near_the_reference_comes_back_nearly)
{
    struct coder coder = coder_of("{codec: {kind: int8, block: 64}}", true);
    pass(&coder, back);
    cr_assert_lt(distance(summary, back), 0.02); // steps of about 3/127, where 30/127 would be off by 0.07
    coder.n_reference = 0;
    memset(residual, 0, sizeof residual);
    pass(&coder, back);
    cr_assert_gt(distance(summary, back), 0.04);
}

// What came back over all rounds is what was given over all rounds, but for the residual.
Test(coder, nothing_is_lost_in_the_long_run)
{
    static double given[N], got[N];
    struct coder coder = coder_of("{codec: {kind: top_k, fraction: 0.05}}", true);
    for (uint32_t round = 1; round <= 60; round++) {
        coder.frame.key.round = round;
        pass(&coder, back);
        for (size_t i = 0; i < N; i++) {
            given[i] += (double)summary[i];
            got[i] += (double)back[i];
        }
    }
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(got[i] + (double)residual[i], given[i], 1e-2);
    cr_assert_lt(distance(residual, (float[N]){0}), 40); // of 60 rounds of size 1, had all been lost
}

Test(coder, keeps_nothing_without_feedback)
{
    struct coder coder = coder_of("{codec: int4}", false);
    pass(&coder, back);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(residual[i], 0);
}

Test(coder, a_failure_leaves_the_residual)
{
    struct coder coder = coder_of("{codec: top_k}", true);
    uint8_t encoded[N * 8];
    for (size_t i = 0; i < N; i++)
        residual[i] = (float)i;
    memory_fail_after(1);
    cr_assert_eq(coder_encode(&coder, summary, residual, encoded, NULL), STATUS_RESOURCE_EXHAUSTED);
    memory_fail_after(0);
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq((double)residual[i], (double)i, 1e-3);
}

// A receiver that adds to what it has, as bytes come, gets what a sender gets who decodes beside its own.
Test(coder, values_that_are_the_reference_become_what_is_decoded)
{
    static const char *const yamls[] = {"{codec: int8}", "{codec: {kind: delta, codec: int4}}",
                                        "{codec: {kind: delta, codec: {kind: top_k, fraction: 0.1}}}"};
    for (size_t i = 0; i < 3; i++) {
        static float values[N];
        struct coder coder = coder_of(yamls[i], true);
        coder.n_reference = i ? N_REFERENCE : 0;
        memset(residual, 0, sizeof residual);
        uint8_t *encoded = memory_alloc(coder_bytes(&coder));
        cr_assert_eq(coder_encode(&coder, summary, residual, encoded, NULL), STATUS_OK);
        coder_decode(&coder, encoded, 0, N, back);
        memset(values, 0, sizeof values);
        memcpy(values, reference, sizeof reference);
        size_t done = 0;
        for (size_t n_bytes = 0; done < N; n_bytes++) {
            size_t n = coder_ready(&coder, n_bytes);
            coder_apply(&coder, encoded, done, n - done, values);
            done = n;
        }
        cr_assert_eq(memcmp(values, back, sizeof back), 0, "%s", yamls[i]);
        memory_free(encoded);
    }
}

Test(coder, f32_is_the_identity)
{
    const struct coder coder = coder_of("{codec: f32}", true);
    cr_assert(coder_is_identity(&coder));
    cr_assert_eq(coder_bytes(&coder), sizeof summary);
}
