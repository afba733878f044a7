// Four-bit whole numbers from -7 to 7 with a scale a block (summary/quantize.h). A block is its float32
// scale, then two values a byte, the first in the low half.
#include "summary/quantize.h"
#include <math.h>
#include <string.h>

enum { MOST = 7, BLOCK_MAX = 1 << 12 };

static size_t block_of(const void *options)
{
    return (size_t)((const struct quantize_options *)options)->block;
}

static size_t whole_block_bytes(const void *options)
{
    return sizeof(float) + block_of(options) / 2;
}

static size_t int4_bytes(const void *options, const struct codec_frame *frame)
{
    size_t block = block_of(options), n_whole = frame->n_values / block, rest = frame->n_values % block;
    return n_whole * whole_block_bytes(options) + (rest ? sizeof(float) + (rest + 1) / 2 : 0);
}

static enum status int4_encode(const void *options, const struct codec_frame *frame, const float *values,
                               uint8_t *ret, struct error *error)
{
    size_t block = block_of(options);
    int8_t q[BLOCK_MAX + 1];
    for (size_t first = 0, i = 0; first < frame->n_values; first += block, i++) {
        size_t n = frame->n_values - first < block ? frame->n_values - first : block;
        uint8_t *at = ret + i * whole_block_bytes(options);
        float scale = quantize_block(frame, i, values + first, n, MOST, q);
        memcpy(at, &scale, sizeof scale);
        q[n] = 0; // the other half of a last byte
        for (size_t k = 0; k < n; k += 2)
            at[sizeof scale + k / 2] = (uint8_t)((q[k] & 15) | (q[k + 1] & 15) << 4);
    }
    return STATUS_OK;
}

static size_t int4_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return n_bytes / whole_block_bytes(options) * block_of(options);
}

static void int4_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                        size_t first, size_t n, float *ret)
{
    size_t block = block_of(options);
    for (size_t i = 0; i < n; i++) {
        size_t within = (first + i) % block;
        const uint8_t *at = encoded + (first + i) / block * whole_block_bytes(options);
        float scale;
        memcpy(&scale, at, sizeof scale);
        unsigned int half = at[sizeof scale + within / 2] >> (within % 2 * 4) & 15;
        ret[i] = (float)((int)(half ^ 8) - 8) * scale;
    }
}

static enum status check_block(const void *options, struct error *error)
{
    const struct quantize_options *quantize = options;
    if (quantize->block % 2 == 0)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT, "block '%lld' must be even: two values share a byte",
                     (long long)quantize->block);
}

static const struct field fields[] = {
    {.name = "block",
     .type = FIELD_INT,
     .offset = offsetof(struct quantize_options, block),
     .fallback = "64",
     .min = 16,
     .max = BLOCK_MAX,
     .help = "Values that share a scale; even"},
    {0},
};

const struct codec_kind codec_int4 = {
    .kind = {.name = "int4",
             .help = "4-bit whole numbers with a float32 scale a block; about 0.56 bytes a value",
             .fields = fields,
             .options_bytes = sizeof(struct quantize_options),
             .check = check_block},
    .unbiased = true,
    .encoded_bytes = int4_bytes,
    .encode = int4_encode,
    .ready = int4_ready,
    .decode = int4_decode,
};
