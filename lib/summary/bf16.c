// bfloat16: float32's range with seven bits of fraction; to nearest, ties to even.
#include "summary/codec.h"
#include "summary/half.h"
#include <string.h>

static size_t bf16_bytes(const void *options, const struct codec_frame *frame)
{
    return frame->n_values * sizeof(uint16_t);
}

static enum status bf16_encode(const void *options, const struct codec_frame *frame, const float *values,
                               uint8_t *ret, struct error *error)
{
    for (size_t i = 0; i < frame->n_values; i++) {
        uint16_t half = bf16_of(values[i]);
        memcpy(ret + i * sizeof half, &half, sizeof half);
    }
    return STATUS_OK;
}

static void bf16_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                        size_t first, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, encoded + (first + i) * sizeof half, sizeof half);
        ret[i] = bf16_value(half);
    }
}

static size_t bf16_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return n_bytes / sizeof(uint16_t);
}

const struct codec_kind codec_bf16 = {
    .kind = {.name = "bf16",
             .help = "bfloat16: float32's range with seven bits of fraction; 2 bytes a value"},
    .encoded_bytes = bf16_bytes,
    .encode = bf16_encode,
    .ready = bf16_ready,
    .decode = bf16_decode,
};
