// The largest values alone (Stich, Cordonnier and Jaggi, "Sparsified SGD with memory", NeurIPS 2018; Aji and
// Heafield 2017): the k largest in size with where they stand. Biased: it needs error feedback. The bytes are
// k ascending 32-bit positions, then k float32 values.
#include "base/memory.h"
#include "config/fields.h"
#include "summary/codec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct top_k_options {
    double fraction;
};

static size_t k_of(const void *options, const struct codec_frame *frame)
{
    const struct top_k_options *top = options;
    size_t k = (size_t)ceil(top->fraction * (double)frame->n_values);
    return k < frame->n_values ? k : frame->n_values;
}

static size_t top_k_bytes(const void *options, const struct codec_frame *frame)
{
    return k_of(options, frame) * (sizeof(uint32_t) + sizeof(float));
}

// A value's size as an integer of the same order; NaN is the largest of all, so that it is sent and refused.
static uint32_t size_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

// How many of `values` have each upper (level 0) or, among those with the upper half `upper`, lower half.
static void count_halves(const float *values, size_t n, unsigned int level, uint32_t upper, uint32_t *ret)
{
    memset(ret, 0, (1 << 16) * sizeof *ret);
    for (size_t i = 0; i < n; i++) {
        uint32_t size = size_of(values[i]);
        if (level == 0)
            ret[size >> 16]++;
        else if (size >> 16 == upper)
            ret[size & 0xffff]++;
    }
}

// The half that the k-th largest has; k becomes its place among those that share it.
static uint32_t find_half(const uint32_t *counts, size_t *k)
{
    uint32_t half = 0xffff;
    while (counts[half] < *k)
        *k -= counts[half--];
    return half;
}

// The size of the k-th largest (a radix select in two passes over the values), and how many of just that size
// are among the k.
static uint32_t find_threshold(const float *values, size_t n, size_t k, uint32_t *counts, size_t *ret_equal)
{
    count_halves(values, n, 0, 0, counts);
    uint32_t upper = find_half(counts, &k);
    count_halves(values, n, 1, upper, counts);
    uint32_t lower = find_half(counts, &k);
    *ret_equal = k;
    return upper << 16 | lower;
}

static enum status top_k_encode(const void *options, const struct codec_frame *frame, const float *values,
                                uint8_t *ret, struct error *error)
{
    size_t k = k_of(options, frame), n_equal = 0, n = 0;
    cleanup_free uint32_t *counts = memory_array(1 << 16, sizeof *counts);
    if (!counts)
        return error_no_memory(error, (1 << 16) * sizeof *counts);
    if (k == 0)
        return STATUS_OK;
    uint32_t threshold = find_threshold(values, frame->n_values, k, counts, &n_equal);
    for (size_t i = 0; i < frame->n_values && n < k; i++) {
        uint32_t size = size_of(values[i]), position = (uint32_t)i;
        if (size < threshold || (size == threshold && n_equal == 0))
            continue;
        n_equal -= size == threshold;
        memcpy(ret + n * sizeof position, &position, sizeof position);
        memcpy(ret + k * sizeof position + n * sizeof(float), &values[i], sizeof(float));
        n++;
    }
    return STATUS_OK;
}

static uint32_t position_at(const uint8_t *encoded, size_t i)
{
    uint32_t position;
    memcpy(&position, encoded + i * sizeof position, sizeof position);
    return position;
}

static enum status top_k_check(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                               struct error *error)
{
    size_t k = k_of(options, frame);
    for (size_t i = 0; i < k; i++)
        if (position_at(encoded, i) >= frame->n_values ||
            (i > 0 && position_at(encoded, i) <= position_at(encoded, i - 1)))
            return error_set(error, STATUS_DATA_LOSS,
                             "position %zu of %zu, '%u', is not ascending below %zu; send what top_k encodes",
                             i, k, position_at(encoded, i), frame->n_values);
    return STATUS_OK;
}

// The first of k ascending positions that is not below `position`.
static size_t find_position(const uint8_t *encoded, size_t k, size_t position)
{
    size_t low = 0, high = k;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (position_at(encoded, middle) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void top_k_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                         size_t first, size_t n, float *ret)
{
    size_t k = k_of(options, frame);
    memset(ret, 0, n * sizeof *ret);
    for (size_t i = find_position(encoded, k, first); i < k && position_at(encoded, i) < first + n; i++)
        memcpy(&ret[position_at(encoded, i) - first], encoded + k * sizeof(uint32_t) + i * sizeof(float),
               sizeof(float));
}

static const struct field fields[] = {
    {.name = "fraction",
     .type = FIELD_REAL,
     .offset = offsetof(struct top_k_options, fraction),
     .fallback = "0.01",
     .max = 1,
     .above = true,
     .help = "Share of the values that is sent"},
    {0},
};

const struct codec_kind codec_top_k = {
    .kind = {.name = "top_k",
             .help = "The largest values and where they stand; 8 bytes for each of them",
             .fields = fields,
             .options_bytes = sizeof(struct top_k_options)},
    .wants_difference = true,
    .encoded_bytes = top_k_bytes,
    .encode = top_k_encode,
    .check = top_k_check,
    .decode = top_k_decode,
};
