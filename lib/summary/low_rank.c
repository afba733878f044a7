// Each weight matrix M as the product P Q' of two thin ones (Vogels, Karimireddy and Jaggi, "PowerSGD:
// practical low-rank gradient compression for distributed optimization", NeurIPS 2019, Algorithm 1): subspace
// iteration from a Q drawn by the seed, P = M Q made orthonormal, Q = M' P. Biased: it needs error feedback.
// Tensors of one dimension, and those that would not get smaller, are sent as they are. The bytes are, tensor
// after tensor, P [rows, rank] and Q [columns, rank], or the values.
#include "base/kernel.h"
#include "base/memory.h"
#include "config/fields.h"
#include "summary/codec.h"
#include <math.h>
#include <string.h>

enum { RANK_MAX = 64 };

struct low_rank_options {
    int64_t rank;
    int64_t iterations;
};

// A stretch of the values: a matrix to be factored, or, with rows 0, values as they are.
struct stretch {
    size_t first, n; // values
    size_t offset;   // in the encoded floats
    size_t rows, columns;
    uint32_t index;
};

static size_t stretch_floats(const struct stretch *stretch, size_t rank)
{
    return stretch->rows ? rank * (stretch->rows + stretch->columns) : stretch->n;
}

// Goes to the next stretch; from {0} to the first. False after the last.
static bool next_stretch(const struct codec_frame *frame, size_t rank, struct stretch *stretch)
{
    const struct layout *layout = frame->layout;
    if (stretch->n > 0) {
        stretch->offset += stretch_floats(stretch, rank);
        stretch->first += stretch->n;
        stretch->index++;
    }
    if (stretch->first >= frame->n_values)
        return false;
    stretch->rows = stretch->columns = 0;
    stretch->n = frame->n_values - stretch->first;
    if (!layout || stretch->n < layout->n_parameters - stretch->first % layout->n_parameters)
        return true; // what follows the last vector
    const struct tensor *tensor = &layout->tensors[stretch->index % layout->n_tensors];
    size_t size = shape_size(&tensor->shape), rows = tensor->shape.extents[0], columns = size / rows;
    stretch->n = size;
    if (tensor->shape.rank >= 2 && rank * (rows + columns) < size) {
        stretch->rows = rows;
        stretch->columns = columns;
    }
    return true;
}

static size_t low_rank_bytes(const void *options, const struct codec_frame *frame)
{
    size_t rank = (size_t)((const struct low_rank_options *)options)->rank, n = 0;
    struct stretch stretch = {0};
    while (next_stretch(frame, rank, &stretch))
        n += stretch_floats(&stretch, rank);
    return n * sizeof(float);
}

// P = M Q
KERNEL
static void multiply(const float *restrict m, size_t rows, size_t columns, const float *restrict q,
                     size_t rank, float *restrict ret_p)
{
    for (size_t i = 0; i < rows; i++) {
        float sums[RANK_MAX] = {0};
        for (size_t j = 0; j < columns; j++)
            for (size_t r = 0; r < rank; r++)
                sums[r] += m[i * columns + j] * q[j * rank + r];
        memcpy(ret_p + i * rank, sums, rank * sizeof *sums);
    }
}

// Q = M' P
KERNEL
static void multiply_transposed(const float *restrict m, size_t rows, size_t columns, const float *restrict p,
                                size_t rank, float *restrict ret_q)
{
    memset(ret_q, 0, columns * rank * sizeof *ret_q);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            for (size_t r = 0; r < rank; r++)
                ret_q[j * rank + r] += m[i * columns + j] * p[i * rank + r];
}

static double column_product(const float *p, size_t rows, size_t rank, size_t a, size_t b)
{
    double sum = 0;
    for (size_t i = 0; i < rows; i++)
        sum += (double)p[i * rank + a] * (double)p[i * rank + b];
    return sum;
}

// Modified Gram-Schmidt; a column that depends on those before it becomes zero.
static void orthonormalize(float *p, size_t rows, size_t rank)
{
    for (size_t r = 0; r < rank; r++) {
        double before = column_product(p, rows, rank, r, r);
        for (size_t k = 0; k < r; k++) {
            float along = (float)column_product(p, rows, rank, k, r);
            for (size_t i = 0; i < rows; i++)
                p[i * rank + r] -= along * p[i * rank + k];
        }
        double length = sqrt(column_product(p, rows, rank, r, r));
        float inverse = length > 1e-6 * sqrt(before) && length > 0 ? (float)(1 / length) : 0;
        for (size_t i = 0; i < rows; i++)
            p[i * rank + r] *= inverse;
    }
}

static void draw(const struct codec_frame *frame, const struct stretch *stretch, size_t n, float *ret)
{
    struct random_key key = frame->key;
    key.purpose = RANDOM_CODEC;
    key.step = stretch->index;
    struct random random = random_open(key);
    for (size_t i = 0; i < n; i++)
        ret[i] = (float)random_normal(&random);
}

static void factor(const struct low_rank_options *options, const struct codec_frame *frame,
                   const struct stretch *stretch, const float *m, float *p, float *q)
{
    size_t rank = (size_t)options->rank, rows = stretch->rows, columns = stretch->columns;
    draw(frame, stretch, columns * rank, q);
    for (int64_t i = 0; i < options->iterations; i++) {
        multiply(m, rows, columns, q, rank, p);
        orthonormalize(p, rows, rank);
        multiply_transposed(m, rows, columns, p, rank, q);
    }
}

static enum status low_rank_encode(const void *options, const struct codec_frame *frame, const float *values,
                                   uint8_t *ret, struct error *error)
{
    const struct low_rank_options *low = options;
    size_t rank = (size_t)low->rank;
    struct stretch stretch = {0};
    while (next_stretch(frame, rank, &stretch)) {
        size_t n = stretch_floats(&stretch, rank);
        cleanup_free float *floats = memory_array(n, sizeof *floats);
        if (!floats)
            return error_no_memory(error, n * sizeof *floats);
        if (stretch.rows)
            factor(low, frame, &stretch, values + stretch.first, floats, floats + stretch.rows * rank);
        else
            memcpy(floats, values + stretch.first, n * sizeof *floats);
        memcpy(ret + stretch.offset * sizeof(float), floats, n * sizeof *floats);
    }
    return STATUS_OK;
}

static float float_at(const uint8_t *encoded, size_t i)
{
    float x;
    memcpy(&x, encoded + i * sizeof x, sizeof x);
    return x;
}

// Values [first, first + n) of a matrix.
static void decode_matrix(const struct stretch *stretch, size_t rank, const uint8_t *encoded, size_t first,
                          size_t n, float *ret)
{
    size_t p = stretch->offset, q = p + stretch->rows * rank;
    for (size_t i = 0; i < n; i++) {
        size_t row = (first + i) / stretch->columns, column = (first + i) % stretch->columns;
        float sum = 0;
        for (size_t r = 0; r < rank; r++)
            sum += float_at(encoded, p + row * rank + r) * float_at(encoded, q + column * rank + r);
        ret[i] = sum;
    }
}

static void low_rank_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                            size_t first, size_t n, float *ret)
{
    size_t rank = (size_t)((const struct low_rank_options *)options)->rank, end = first + n;
    struct stretch stretch = {0};
    while (next_stretch(frame, rank, &stretch) && stretch.first < end) {
        size_t from = stretch.first > first ? stretch.first : first;
        size_t to = stretch.first + stretch.n < end ? stretch.first + stretch.n : end;
        if (from >= to)
            continue;
        if (stretch.rows)
            decode_matrix(&stretch, rank, encoded, from - stretch.first, to - from, ret + (from - first));
        else
            memcpy(ret + (from - first), encoded + (stretch.offset + from - stretch.first) * sizeof(float),
                   (to - from) * sizeof(float));
    }
}

static const struct field fields[] = {
    {.name = "rank",
     .type = FIELD_INT,
     .offset = offsetof(struct low_rank_options, rank),
     .fallback = "4",
     .min = 1,
     .max = RANK_MAX,
     .help = "Columns of the thin matrices"},
    {.name = "iterations",
     .type = FIELD_INT,
     .offset = offsetof(struct low_rank_options, iterations),
     .fallback = "2",
     .min = 1,
     .max = 16,
     .help = "Steps of the subspace iteration, from a random start each time"},
    {0},
};

const struct codec_kind codec_low_rank = {
    .kind = {.name = "low_rank",
             .help = "Weight matrices as products of thin ones; rank times (rows + columns) floats each",
             .fields = fields,
             .options_bytes = sizeof(struct low_rank_options)},
    .wants_difference = true,
    .encoded_bytes = low_rank_bytes,
    .encode = low_rank_encode,
    .decode = low_rank_decode,
};
