// Eight-bit whole numbers from -127 to 127 with a scale a block (summary/quantize.h). A block is its float32
// scale, then a byte a value.
#include "summary/quantize.h"
#include <math.h>
#include <string.h>

enum { MOST = 127, BLOCK_MAX = 1 << 16 };

static size_t block_of(const void *options)
{
    return (size_t)((const struct quantize_options *)options)->block;
}

static size_t int8_bytes(const void *options, const struct codec_frame *frame)
{
    size_t n_blocks = (frame->n_values + block_of(options) - 1) / block_of(options);
    return frame->n_values + n_blocks * sizeof(float);
}

static enum status int8_encode(const void *options, const struct codec_frame *frame, const float *values,
                               uint8_t *ret, struct error *error)
{
    size_t block = block_of(options);
    for (size_t first = 0, i = 0; first < frame->n_values; first += block, i++) {
        size_t n = frame->n_values - first < block ? frame->n_values - first : block;
        uint8_t *at = ret + first + i * sizeof(float);
        float scale = quantize_block(frame, i, values + first, n, MOST, (int8_t *)at + sizeof scale);
        memcpy(at, &scale, sizeof scale);
    }
    return STATUS_OK;
}

static size_t int8_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    size_t block = block_of(options), n_whole = n_bytes / (block + sizeof(float));
    size_t rest = n_bytes % (block + sizeof(float));
    return n_whole * block + (rest > sizeof(float) ? rest - sizeof(float) : 0);
}

static void int8_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                        size_t first, size_t n, float *ret)
{
    size_t block = block_of(options);
    for (size_t done = 0; done < n;) {
        size_t index = (first + done) / block, within = (first + done) % block;
        size_t some = block - within < n - done ? block - within : n - done;
        const uint8_t *at = encoded + index * (block + sizeof(float));
        float scale;
        memcpy(&scale, at, sizeof scale);
        const int8_t *q = (const int8_t *)at + sizeof scale + within;
        for (size_t i = 0; i < some; i++)
            ret[done + i] = (float)q[i] * scale;
        done += some;
    }
}

static const struct field fields[] = {
    {.name = "block",
     .type = FIELD_INT,
     .offset = offsetof(struct quantize_options, block),
     .fallback = "512",
     .min = 16,
     .max = BLOCK_MAX,
     .help = "Values that share a scale"},
    {0},
};

const struct codec_kind codec_int8 = {
    .kind = {.name = "int8",
             .help = "8-bit whole numbers with a float32 scale a block; about 1 byte a value",
             .fields = fields,
             .options_bytes = sizeof(struct quantize_options)},
    .unbiased = true,
    .encoded_bytes = int8_bytes,
    .encode = int8_encode,
    .ready = int8_ready,
    .decode = int8_decode,
};
