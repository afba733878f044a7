#include "data/array.h"
#include "base/memory.h"
#include <endian.h>
#include <math.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 18 };

size_t array_sample_size(const struct array *array)
{
    size_t size = 1;
    for (unsigned int i = 1; i < array->rank; i++)
        size *= array->extents[i];
    return size;
}

const char *array_type_name(struct array_type type)
{
    static const struct {
        char letter;
        unsigned int bytes;
        const char *name;
    } names[] = {
        {'u', 1, "uint8"}, {'u', 2, "uint16"},  {'u', 4, "uint32"},  {'u', 8, "uint64"},
        {'i', 1, "int8"},  {'i', 2, "int16"},   {'i', 4, "int32"},   {'i', 8, "int64"},
        {'b', 1, "bool"},  {'f', 4, "float32"}, {'f', 8, "float64"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].letter == type.letter && names[i].bytes == type.bytes)
            return names[i].name;
    return "unknown";
}

enum status array_check(const struct array *array, struct error *error)
{
    const char *name = stream_name(array->stream);
    size_t total = array->type.bytes, floats = sizeof(float);
    for (unsigned int i = 0; i < array->rank; i++) {
        if (array->extents[i] == 0)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s' holds no samples: extent %u of its shape is 0; give it data", name, i);
        if (__builtin_mul_overflow(total, array->extents[i], &total) ||
            __builtin_mul_overflow(floats, array->extents[i], &floats))
            return error_set(error, STATUS_DATA_LOSS,
                             "'%s': the shape in its header is larger than memory; the header is damaged, "
                             "copy or fetch the file again",
                             name);
    }
    if (array->rank == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' holds a single number, not samples; save an array whose first extent counts "
                         "the samples",
                         name);
    if (array->extents[0] > UINT32_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' has %zu samples and at most %u can be read; split it", name, array->extents[0],
                         UINT32_MAX);
    return stream_expect(array->stream, total, error);
}

void array_close(struct array *array)
{
    array->stream = stream_close(array->stream);
}

static double real_of(struct array_type type, const unsigned char *raw)
{
    uint64_t bits = 0;
    for (unsigned int i = 0; i < type.bytes; i++)
        bits |= (uint64_t)raw[type.big_endian ? type.bytes - 1 - i : i] << 8 * i;
    if (type.letter == 'f' && type.bytes == 4) {
        uint32_t half = (uint32_t)bits;
        float value;
        memcpy(&value, &half, sizeof value);
        return value;
    }
    if (type.letter == 'f') {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (type.letter == 'b')
        return bits != 0;
    if (type.letter == 'u')
        return (double)bits;
    unsigned int unused = 64 - 8 * type.bytes;
    return (double)((int64_t)(bits << unused) >> unused);
}

void array_convert(struct array_type type, struct array_scale scale, const unsigned char *raw, size_t n,
                   float *ret)
{
    if (type.letter == 'u' && type.bytes == 1) {
        float table[256];
        for (int i = 0; i < 256; i++)
            table[i] = scale.bytes ? (float)i / 255.0f : (float)i * scale.factor;
        for (size_t i = 0; i < n; i++)
            ret[i] = table[raw[i]];
        return;
    }
    for (size_t i = 0; i < n; i++)
        ret[i] = (float)real_of(type, raw + i * type.bytes) * scale.factor;
}

static enum status check_finite(const struct array *array, const float *values, size_t n, size_t first,
                                struct error *error)
{
    if (array->type.letter != 'f')
        return STATUS_OK;
    size_t size = array_sample_size(array);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i]))
            continue;
        size_t at = first + i;
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s': element %zu of sample %zu is %g, which no model can learn from; replace or drop "
            "such samples",
            stream_name(array->stream), array->fortran ? at / array->extents[0] : at % size,
            array->fortran ? at % array->extents[0] : at / size, (double)values[i]);
    }
    return STATUS_OK;
}

// Reads `n` elements, the first of which is number `first` of the array, in blocks.
static enum status read_run(struct array *array, size_t first, size_t n, struct array_scale scale,
                            unsigned char *block, float *ret, struct error *error)
{
    size_t most = BLOCK_BYTES / array->type.bytes;
    while (n) {
        size_t k = n < most ? n : most;
        TRY(stream_read(array->stream, block, k * array->type.bytes, error));
        array_convert(array->type, scale, block, k, ret);
        TRY(check_finite(array, ret, k, first, error));
        first += k, ret += k, n -= k;
    }
    return STATUS_OK;
}

static enum status read_c_order(struct array *array, const uint32_t *rows, size_t n, struct array_scale scale,
                                unsigned char *block, float *ret, struct error *error)
{
    size_t size = array_sample_size(array), next = 0;
    for (size_t i = 0; i < n;) {
        size_t row = rows ? rows[i] : i, run = 1;
        while (i + run < n && (!rows || rows[i + run] == row + run))
            run++;
        TRY(stream_skip(array->stream, (uint64_t)(row - next) * size * array->type.bytes, error));
        TRY(read_run(array, row * size, run * size, scale, block, ret + i * size, error));
        i += run;
        next = row + run;
    }
    return next == array->extents[0] ? stream_expect_end(array->stream, error) : STATUS_OK;
}

// Where the element that comes `k`th in Fortran order stands within a sample in C order.
static size_t c_index(const struct array *array, size_t k)
{
    size_t index = 0, stride = array_sample_size(array);
    for (unsigned int i = 1; i < array->rank; i++) {
        stride /= array->extents[i];
        index += k % array->extents[i] * stride;
        k /= array->extents[i];
    }
    return index;
}

// A column at a time: the samples' k-th elements stand together.
static enum status read_fortran_order(struct array *array, const uint32_t *rows, size_t n,
                                      struct array_scale scale, unsigned char *block, float *ret,
                                      struct error *error)
{
    size_t size = array_sample_size(array), n_samples = array->extents[0];
    size_t most = BLOCK_BYTES / array->type.bytes;
    float *column = memory_floats(most);
    if (!column)
        return error_no_memory(error, most * sizeof *column);
    enum status status = STATUS_OK;
    for (size_t k = 0; k < size && status == STATUS_OK; k++) {
        float *element = ret + c_index(array, k);
        size_t taken = 0;
        for (size_t first = 0; first < n_samples && status == STATUS_OK; first += most) {
            size_t m = n_samples - first < most ? n_samples - first : most;
            status = read_run(array, k * n_samples + first, m, scale, block, column, error);
            for (; taken < n && (rows ? rows[taken] : taken) < first + m; taken++)
                element[taken * size] = column[(rows ? rows[taken] : taken) - first];
        }
    }
    memory_free(column);
    return status == STATUS_OK ? stream_expect_end(array->stream, error) : status;
}

enum status array_read(struct array *array, const uint32_t *rows, size_t n, struct array_scale scale,
                       float *ret, struct error *error)
{
    cleanup_free unsigned char *block = memory_alloc(BLOCK_BYTES);
    if (!block)
        return error_no_memory(error, BLOCK_BYTES);
    if (array->fortran && array->rank > 1)
        return read_fortran_order(array, rows, n, scale, block, ret, error);
    return read_c_order(array, rows, n, scale, block, ret, error);
}

static enum status class_of(const struct array *array, size_t sample, double value, size_t limit,
                            int32_t *ret, struct error *error)
{
    const char *name = stream_name(array->stream);
    if (!(value >= 0) || value != floor(value))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s': the label of sample %zu is %.9g; classes are whole numbers from 0, so number "
                         "them so, or set target: values to predict numbers",
                         name, sample, value);
    if (value >= (double)limit)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s': the label of sample %zu is %.9g, where classes go from 0 to %zu; mend the label "
            "or raise classes",
            name, sample, value, limit - 1);
    *ret = (int32_t)value;
    return STATUS_OK;
}

enum status array_read_classes(struct array *array, size_t limit, int32_t *ret, struct error *error)
{
    unsigned char block[1 << 13];
    size_t n = array->extents[0], most = sizeof block / array->type.bytes;
    for (size_t first = 0; first < n; first += most) {
        size_t k = n - first < most ? n - first : most;
        TRY(stream_read(array->stream, block, k * array->type.bytes, error));
        for (size_t i = 0; i < k; i++)
            TRY(class_of(array, first + i, real_of(array->type, block + i * array->type.bytes), limit,
                         &ret[first + i], error));
    }
    return stream_expect_end(array->stream, error);
}
