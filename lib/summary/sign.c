// The sign of each value, and a block's mean size: x is sent as sign(x) * mean |x| (Karimireddy, Rebjock,
// Stich and Jaggi, "Error feedback fixes SignSGD", ICML 2019, with the scale a block). Biased: it needs error
// feedback. A block is its float32 scale, then a bit a value, set for negative ones, the first in the lowest.
#include "config/fields.h"
#include "summary/codec.h"
#include <math.h>
#include <string.h>

enum { BLOCK = 4096, BLOCK_BYTES = sizeof(float) + BLOCK / 8 };

static size_t sign_bytes(const void *options, const struct codec_frame *frame)
{
    size_t rest = frame->n_values % BLOCK;
    return frame->n_values / BLOCK * BLOCK_BYTES + (rest ? sizeof(float) + (rest + 7) / 8 : 0);
}

static enum status sign_encode(const void *options, const struct codec_frame *frame, const float *values,
                               uint8_t *ret, struct error *error)
{
    memset(ret, 0, sign_bytes(options, frame));
    for (size_t first = 0; first < frame->n_values; first += BLOCK) {
        size_t n = frame->n_values - first < BLOCK ? frame->n_values - first : BLOCK;
        uint8_t *at = ret + first / BLOCK * BLOCK_BYTES;
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += fabs((double)values[first + i]);
            at[sizeof(float) + i / 8] |= (uint8_t)((signbit(values[first + i]) != 0) << i % 8);
        }
        float scale = (float)(sum / (double)n);
        memcpy(at, &scale, sizeof scale);
    }
    return STATUS_OK;
}

static size_t sign_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return n_bytes / BLOCK_BYTES * BLOCK;
}

static void sign_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                        size_t first, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++) {
        size_t within = (first + i) % BLOCK;
        const uint8_t *at = encoded + (first + i) / BLOCK * BLOCK_BYTES;
        float scale;
        memcpy(&scale, at, sizeof scale);
        ret[i] = at[sizeof scale + within / 8] >> within % 8 & 1 ? -scale : scale;
    }
}

const struct codec_kind codec_sign = {
    .kind = {.name = "sign", .help = "The signs, and the mean size of each 4,096 values; 1 bit a value"},
    .wants_difference = true,
    .encoded_bytes = sign_bytes,
    .encode = sign_encode,
    .ready = sign_ready,
    .decode = sign_decode,
};
