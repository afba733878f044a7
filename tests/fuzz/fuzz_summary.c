// A learner's or relay's upload from its messages into the round's reduction. Bytes: what kind of summary it
// is, how messages are cut into slices, then messages, each after its length in two bytes (little-endian).
// Whatever came, an honest learner's summary of the same round still counts, and the mean is finite.
#include "base/memory.h"
#include "coordinator/ingest.h"
#include "coordinator/partial.h"
#include "fuzz.h"
#include <math.h>
#include <pb_decode.h>
#include <string.h>

enum { N = 96, N_CODECS_MAX = 32, ROOM = 1 << 16 };

static struct layout layout;
static struct version *base;
static struct choice reducer, gathering, codec_choices[N_CODECS_MAX];

static void ready(void)
{
    static const struct shape shapes[] = {{2, {8, 10}}, {1, {16}}};
    fuzz_require(layout_add(&layout, "0.weight", &shapes[0], NULL) == STATUS_OK);
    fuzz_require(layout_add(&layout, "0.bias", &shapes[1], NULL) == STATUS_OK);
    fuzz_require(version_new(&base, &layout, N, N, NULL) == STATUS_OK);
    for (size_t i = 0; i < N; i++)
        base->values[i] = (float)i / N;
    reducer = fuzz_choice(&reducers, "mean");
    gathering = fuzz_choice(&reducers, "median");
    for (size_t i = 0; i < codecs.n_kinds && i < N_CODECS_MAX; i++)
        codec_choices[i] = fuzz_choice(&codecs, codecs.kinds[i]->name);
}

// Kinds: 0 plain, 1 plain and streamed, 2 plain with a norm, 3 gathered, 4 and 5 a relay's sums, then codecs.
static struct upload *begin(struct ingest *ingest, size_t kind)
{
    static const struct contribution from = {.source = 1, .weight = 10, .discount = 1};
    struct upload *upload = NULL;
    if (kind == 4 || kind == 5) {
        fuzz_require(upload_new_sums(&upload, ingest, &from, 3, NULL) == STATUS_OK);
        return upload;
    }
    const struct choice *codec = kind < 4 ? NULL : &codec_choices[kind - 6];
    struct coder coder = {
        .codec = codec,
        .frame = {.n_values = N, .layout = &layout, .key = {.seed = 3, .learner = 1}, .feedback = true},
        .reference = base->values,
        .n_reference = N,
    };
    if (!codec || coder_is_identity(&coder))
        fuzz_require(upload_new(&upload, ingest, &from, NULL) == STATUS_OK);
    else
        fuzz_require(upload_new_coded(&upload, ingest, &from, &coder, version_ref(base), NULL) == STATUS_OK);
    upload_around(upload, base, N);
    return upload;
}

static bool receive(struct upload *upload, const uint8_t *data, size_t n, size_t cut)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    struct partial partial = PARTIAL_INIT;
    struct rpc_message message = fuzz_message(data, n, cut);
    struct rpc_chunk chunk;
    uint64_t weight;
    partial_receive(&partial, &request);
    enum status status = rpc_message_decode_chunk(&message, cohort_v1_SubmitSummaryRequest_fields, &request,
                                                  &chunk, upload_take, upload, NULL);
    fuzz_require(partial.n <= RING_TERMS_MAX);
    partial_weigh(&partial, &weight);
    fuzz_message_release(&message);
    if (status == STATUS_OK)
        pb_release(cohort_v1_SubmitSummaryRequest_fields, &request);
    partial_release(&partial);
    return status == STATUS_OK;
}

// An honest one beside it, and the mean of all that counted.
static void settle(struct ingest *ingest, bool spoilt)
{
    static const struct contribution honest = {.source = 2, .weight = 10, .discount = 1};
    struct upload *upload = NULL;
    float mean[N];
    struct error error = ERROR_INIT;
    if (spoilt)
        ingest_reset(ingest, 10); // as the coordinator does
    fuzz_require(upload_new(&upload, ingest, &honest, NULL) == STATUS_OK);
    upload_around(upload, base, N);
    fuzz_require(upload_take(upload, 0, (const uint8_t *)base->values, N * sizeof(float)));
    fuzz_require(upload_finish(upload, &error) == STATUS_OK);
    upload_free(upload);
    const struct settling settling = {.reference = base->values, .n_reference = N};
    fuzz_require(reduction_settle(ingest_reduction(ingest), &settling, &error) == STATUS_OK);
    fuzz_require(reduction_finish(ingest_reduction(ingest), 0, N, mean, &error) == STATUS_OK);
    for (size_t i = 0; i < N; i++)
        fuzz_require(isfinite(mean[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!base)
        ready();
    size_t kind = fuzz_byte(&data, &n) % (6 + codecs.n_kinds);
    size_t cut = fuzz_byte(&data, &n);
    bool streamed = kind == 1 || kind == 5;
    struct ingest *ingest = NULL;
    const struct reduction_room room = {.memory_bytes = streamed ? 0 : ROOM};
    fuzz_require(ingest_new(&ingest, kind == 3 ? &gathering : &reducer, N, &room, NULL) == STATUS_OK);
    ingest_set_max_norm(ingest, kind == 2 ? 5 : 0);
    ingest_reset(ingest, 10);
    struct upload *upload = begin(ingest, kind);
    bool fine = true;
    while (fine && n >= 2) {
        size_t bytes = data[0] | (size_t)data[1] << 8;
        data += 2;
        n -= 2;
        bytes = bytes < n ? bytes : n;
        fine = receive(upload, data, bytes, cut);
        data += bytes;
        n -= bytes;
    }
    fine = fine && upload_finish(upload, NULL) == STATUS_OK;
    bool spoilt = upload_free(upload);
    fuzz_require(!fine || !spoilt);
    settle(ingest, spoilt);
    ingest_unref(ingest);
    return 0;
}
