// Encoded summaries from anybody. The first byte chooses the codec, the second the number of values; the rest
// is what was sent, cut or filled up with zeros to the bytes that the codec takes. What passes the check is
// decoded, whole and in ranges, to the same.
#include "base/memory.h"
#include "fuzz.h"
#include "summary/codec.h"
#include <string.h>

enum { CODECS_MAX = 32, RANGE = 7, ROWS = 6, COLUMNS = 9, N_MODEL = ROWS * COLUMNS + ROWS };

static const struct choice *choice_of(size_t index)
{
    static struct choice choices[CODECS_MAX];
    if (!choices[index].kind)
        choices[index] = fuzz_choice(&codecs, codecs.kinds[index]->name);
    return &choices[index];
}

static const struct layout *model_layout(void)
{
    static struct layout layout;
    static const struct shape shapes[] = {{2, {ROWS, COLUMNS}}, {1, {ROWS}}};
    if (!layout.n_tensors) {
        fuzz_require(layout_add(&layout, "0.weight", &shapes[0], NULL) == STATUS_OK);
        fuzz_require(layout_add(&layout, "0.bias", &shapes[1], NULL) == STATUS_OK);
    }
    return &layout;
}

static void decode(const struct codec_kind *codec, const void *options, const struct codec_frame *frame,
                   const uint8_t *encoded)
{
    size_t n = frame->n_values;
    float *whole = memory_alloc(n * sizeof *whole), *pieces = memory_alloc(n * sizeof *pieces);
    fuzz_require(whole && pieces);
    codec->decode(options, frame, encoded, 0, n, whole);
    for (size_t at = 0; at < n; at += RANGE)
        codec->decode(options, frame, encoded, at, n - at < RANGE ? n - at : RANGE, pieces + at);
    fuzz_require(memcmp(whole, pieces, n * sizeof *whole) == 0);
    memory_free(whole);
    memory_free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct choice *choice = choice_of(fuzz_byte(&data, &n) % codecs.n_kinds);
    const struct codec_kind *codec = (const struct codec_kind *)choice->kind;
    size_t beyond = fuzz_byte(&data, &n);
    if (codec->identity)
        return 0;
    struct codec_frame frame = {.n_values = 1 + beyond, .key = {.seed = 5, .learner = 1, .round = 2}};
    if (beyond >= 128) { // a model's tensors, and other values after them
        frame.layout = model_layout();
        frame.n_values = N_MODEL + beyond - 128;
    }
    size_t bytes = codec->encoded_bytes(choice->options, &frame);
    uint8_t *encoded = memory_zalloc(bytes);
    fuzz_require(encoded != NULL);
    memcpy(encoded, data, n < bytes ? n : bytes);
    if (!codec->check || codec->check(choice->options, &frame, encoded, NULL) == STATUS_OK)
        decode(codec, choice->options, &frame, encoded);
    memory_free(encoded);
    return 0;
}
