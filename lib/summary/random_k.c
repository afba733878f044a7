// Values at random places alone (Stich, Cordonnier and Jaggi, "Sparsified SGD with memory", NeurIPS 2018),
// the same places drawn on both sides, so that none are sent. Of each block of values as many as the fraction
// says; scaled up by 1/fraction so that the mean is right, or as they are where there is error feedback. The
// bytes are the float32 values in order of their places.
#include "config/fields.h"
#include "summary/codec.h"
#include <string.h>

enum { BLOCK = 1024 };

struct random_k_options {
    double fraction;
};

// Values sent of a block of `n`, at least one.
static size_t k_of(const struct random_k_options *options, size_t n)
{
    size_t k = (size_t)(options->fraction * (double)n + 0.5);
    return k == 0 ? 1 : k < n ? k : n;
}

static size_t block_values(const struct codec_frame *frame, size_t block)
{
    size_t left = frame->n_values - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

static size_t random_k_bytes(const void *options, const struct codec_frame *frame)
{
    size_t rest = frame->n_values % BLOCK;
    return (frame->n_values / BLOCK * k_of(options, BLOCK) + (rest ? k_of(options, rest) : 0)) *
           sizeof(float);
}

// Marks k of n places: selection sampling (Knuth, TAOCP 2, 3.4.2, Algorithm S), ascending by nature.
static void draw_places(const struct codec_frame *frame, size_t block, size_t n, size_t k, bool *ret)
{
    struct random_key key = frame->key;
    key.purpose = RANDOM_CODEC;
    key.step = (uint32_t)block;
    key.index = (uint16_t)(block >> 32);
    struct random random = random_open(key);
    for (size_t i = 0; i < n; i++) {
        ret[i] = random_below(&random, (uint32_t)(n - i)) < k;
        k -= ret[i];
    }
}

static enum status random_k_encode(const void *options, const struct codec_frame *frame, const float *values,
                                   uint8_t *ret, struct error *error)
{
    bool places[BLOCK];
    for (size_t block = 0; block * BLOCK < frame->n_values; block++) {
        size_t n = block_values(frame, block);
        draw_places(frame, block, n, k_of(options, n), places);
        for (size_t i = 0; i < n; i++) {
            if (!places[i])
                continue;
            memcpy(ret, &values[block * BLOCK + i], sizeof(float));
            ret += sizeof(float);
        }
    }
    return STATUS_OK;
}

static void decode_block(const struct random_k_options *options, const struct codec_frame *frame,
                         size_t block, const uint8_t *encoded, float *ret)
{
    bool places[BLOCK];
    size_t n = block_values(frame, block), k = k_of(options, n);
    float scale = frame->feedback ? 1 : (float)((double)n / (double)k);
    const uint8_t *at = encoded + block * k_of(options, BLOCK) * sizeof(float);
    draw_places(frame, block, n, k, places);
    for (size_t i = 0; i < n; i++) {
        float value = 0;
        if (places[i]) {
            memcpy(&value, at, sizeof value);
            at += sizeof value;
        }
        ret[i] = value * scale;
    }
}

static size_t random_k_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return n_bytes / sizeof(float) / k_of(options, BLOCK) * BLOCK;
}

static void random_k_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                            size_t first, size_t n, float *ret)
{
    float values[BLOCK];
    for (size_t done = 0; done < n;) {
        size_t block = (first + done) / BLOCK, within = (first + done) % BLOCK;
        size_t some = BLOCK - within < n - done ? BLOCK - within : n - done;
        decode_block(options, frame, block, encoded, values);
        memcpy(ret + done, values + within, some * sizeof *ret);
        done += some;
    }
}

static const struct field fields[] = {
    {.name = "fraction",
     .type = FIELD_REAL,
     .offset = offsetof(struct random_k_options, fraction),
     .fallback = "0.1",
     .max = 1,
     .above = true,
     .help = "Share of the values that is sent"},
    {0},
};

const struct codec_kind codec_random_k = {
    .kind = {.name = "random_k",
             .help = "Values at places drawn alike on both sides; 4 bytes for each of them",
             .fields = fields,
             .options_bytes = sizeof(struct random_k_options)},
    .unbiased = true,
    .wants_difference = true,
    .encoded_bytes = random_k_bytes,
    .encode = random_k_encode,
    .ready = random_k_ready,
    .decode = random_k_decode,
};
