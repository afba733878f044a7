// Summaries that a codec made, from their bytes into the reduction.
#include "base/memory.h"
#include "base/philox.h"
#include "coordinator/ingest.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 10007, BUFFER = 1 << 20 };

static struct choice codec;
static struct arena arena;
static struct document document;
static struct layout layout;
static struct version *base;
static float summary[N], residual[N], decoded[N], expected[N], found[N];

static void init(void)
{
    cr_assert_eq(layout_add(&layout, "w", &(struct shape){1, {N}}, NULL), STATUS_OK);
    cr_assert_eq(version_new(&base, &layout, N, N, NULL), STATUS_OK);
    struct random random = random_open((struct random_key){.seed = 2, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++) {
        base->values[i] = (float)random_normal(&random);
        summary[i] = base->values[i] + 0.1F * (float)random_normal(&random);
    }
}

static void release(void)
{
    version_unref(base);
    layout_release(&layout);
    arena_release(&arena);
    document_release(&document);
}

TestSuite(ingest_coded, .init = init, .fini = release);

static struct coder read_coder(const char *yaml)
{
    const struct field row[] = {
        {.name = "codec", .type = FIELD_CHOICE, .registry = &codecs, .required = true}, {0}};
    document_release(&document);
    codec = (struct choice){0};
    cr_assert_eq(document_parse(&document, yaml, strlen(yaml), "test", NULL), STATUS_OK);
    cr_assert_eq(fields_read(row, document.root, &codec, &arena, NULL), STATUS_OK);
    return (struct coder){.codec = &codec,
                          .frame = {.n_values = N, .feedback = true},
                          .reference = base->values,
                          .n_reference = N};
}

static struct ingest *open_ingest(const char *reducer, size_t buffer_bytes)
{
    struct ingest *ingest = NULL;
    struct choice choice = {.kind = registry_find(&reducers, reducer)};
    const struct reduction_room room = {.memory_bytes = buffer_bytes};
    cr_assert_eq(ingest_new(&ingest, &choice, N, &room, NULL), STATUS_OK);
    ingest_reset(ingest, 10);
    return ingest;
}

static const struct contribution from = {.source = 1, .weight = 10, .discount = 1};

static enum status submit(struct ingest *ingest, const struct coder *coder, const uint8_t *encoded,
                          size_t bytes, struct error *error)
{
    struct upload *upload = NULL;
    cr_assert_eq(upload_new_coded(&upload, ingest, &from, coder, version_ref(base), error), STATUS_OK);
    for (size_t at = 0; at < bytes; at += 1001)
        cr_assert(upload_take(upload, at, encoded + at, 1001 < bytes - at ? 1001 : bytes - at));
    enum status status = upload_finish(upload, error);
    cr_assert_not(upload_free(upload), "the reduction is spoilt");
    return status;
}

static uint8_t *encode(const struct coder *coder)
{
    uint8_t *encoded = memory_alloc(coder_bytes(coder));
    memset(residual, 0, sizeof residual);
    cr_assert_eq(coder_encode(coder, summary, residual, encoded, NULL), STATUS_OK);
    return encoded;
}

static void finish(struct ingest *ingest, float *ret)
{
    const struct settling settling = {0};
    cr_assert_eq(reduction_settle(ingest_reduction(ingest), &settling, NULL), STATUS_OK);
    cr_assert_eq(reduction_finish(ingest_reduction(ingest), 0, N, ret, NULL), STATUS_OK);
}

Test(ingest_coded, what_is_decoded_is_folded)
{
    const char *const yaml[] = {"{codec: f16}", "{codec: int8}", "{codec: {kind: top_k, fraction: 0.1}}",
                                "{codec: sign}"};
    for (size_t i = 0; i < ARRAY_SIZE(yaml); i++) {
        struct ingest *ingest = open_ingest("mean", BUFFER);
        const struct coder coder = read_coder(yaml[i]);
        uint8_t *encoded = encode(&coder);
        cr_assert_eq(submit(ingest, &coder, encoded, coder_bytes(&coder), NULL), STATUS_OK);
        finish(ingest, found);
        coder_decode(&coder, encoded, 0, N, decoded);
        for (size_t k = 0; k < N; k++)
            cr_assert_float_eq((double)found[k], (double)decoded[k], 1e-6, "%s", yaml[i]);
        memory_free(encoded);
        ingest_unref(ingest);
    }
}

// Another summary beside the unfit one comes out as if alone.
static void assert_untouched(const char *reducer, const struct coder *coder, const uint8_t *unfit,
                             size_t bytes, enum status status)
{
    struct ingest *alone = open_ingest(reducer, BUFFER), *beside = open_ingest(reducer, BUFFER);
    uint8_t *encoded = encode(coder);
    struct error error = ERROR_INIT;
    cr_assert_eq(submit(alone, coder, encoded, coder_bytes(coder), NULL), STATUS_OK);
    cr_assert_eq(submit(beside, coder, unfit, bytes, &error), status, "%s", error.message);
    cr_assert_eq(submit(beside, coder, encoded, coder_bytes(coder), NULL), STATUS_OK);
    finish(alone, expected);
    finish(beside, found);
    cr_assert_eq(memcmp(expected, found, sizeof found), 0);
    memory_free(encoded);
    ingest_unref(alone);
    ingest_unref(beside);
}

Test(ingest_coded, what_is_not_finite_leaves_nothing_behind)
{
    const char *const kinds[] = {"mean", "median"};
    const struct coder coder = read_coder("{codec: f16}");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        uint8_t *unfit = encode(&coder);
        memset(unfit + coder_bytes(&coder) - 2, 0x7f, 2); // NaN in the last tile
        assert_untouched(kinds[i], &coder, unfit, coder_bytes(&coder), STATUS_INVALID_ARGUMENT);
        memory_free(unfit);
    }
}

Test(ingest_coded, what_the_codec_refuses_leaves_nothing_behind)
{
    const struct coder coder = read_coder("{codec: {kind: top_k, fraction: 0.1}}");
    uint8_t *unfit = encode(&coder);
    memset(unfit, 0xff, 4); // a position past the end
    assert_untouched("mean", &coder, unfit, coder_bytes(&coder), STATUS_DATA_LOSS);
    memory_free(unfit);
}

Test(ingest_coded, what_is_cut_short_leaves_nothing_behind)
{
    const struct coder coder = read_coder("{codec: int8}");
    uint8_t *unfit = encode(&coder);
    assert_untouched("mean", &coder, unfit, coder_bytes(&coder) - 1, STATUS_DATA_LOSS);
    memory_free(unfit);
}

Test(ingest_coded, more_than_the_buffer_holds_waits)
{
    const struct coder coder = read_coder("{codec: int8}");
    struct ingest *ingest = open_ingest("mean", coder_bytes(&coder) * 3 / 2);
    struct upload *first = NULL, *second = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(upload_new_coded(&first, ingest, &from, &coder, version_ref(base), NULL), STATUS_OK);
    cr_assert_eq(upload_new_coded(&second, ingest, &from, &coder, version_ref(base), &error),
                 STATUS_RESOURCE_EXHAUSTED);
    cr_assert(strstr(error.message, "limits.buffer"), "%s", error.message);
    upload_free(first);
    cr_assert_eq(upload_new_coded(&second, ingest, &from, &coder, version_ref(base), NULL), STATUS_OK);
    upload_free(second);
    cr_assert(version_unshared(base));
    ingest_unref(ingest);
}
