// IEEE 754 binary16: ten bits of fraction, values up to 65504; to nearest, ties to even.
#include "summary/codec.h"
#include "summary/half.h"
#include <string.h>

static size_t f16_bytes(const void *options, const struct codec_frame *frame)
{
    return frame->n_values * sizeof(uint16_t);
}

static enum status f16_encode(const void *options, const struct codec_frame *frame, const float *values,
                              uint8_t *ret, struct error *error)
{
    for (size_t i = 0; i < frame->n_values; i++) {
        uint16_t half = f16_of(values[i]);
        memcpy(ret + i * sizeof half, &half, sizeof half);
    }
    return STATUS_OK;
}

static void f16_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                       size_t first, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, encoded + (first + i) * sizeof half, sizeof half);
        ret[i] = f16_value(half);
    }
}

static size_t f16_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return n_bytes / sizeof(uint16_t);
}

const struct codec_kind codec_f16 = {
    .kind = {.name = "f16",
             .help = "IEEE 754 binary16: ten bits of fraction, values up to 65504; 2 bytes a value"},
    .encoded_bytes = f16_bytes,
    .encode = f16_encode,
    .ready = f16_ready,
    .decode = f16_decode,
};
