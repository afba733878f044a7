// An array in a file: what its header says, and its elements, streamed. The formats that hold arrays (IDX,
// NPY, NPZ) differ in the header alone.
#pragma once

#include "base/shape.h"
#include "data/stream.h"

enum { ARRAY_RANK_MAX = SHAPE_RANK_MAX + 1 };

struct array_type {
    char letter;        // as NumPy has it: 'u', 'i', 'f', 'b' (bool)
    unsigned int bytes; // 1, 2, 4, 8; of 'f' 4 or 8
    bool big_endian;
};

// extents[0] counts the samples. fortran: the first index runs fastest.
struct array {
    struct stream *stream; // stands at the first element
    struct array_type type;
    unsigned int rank;
    size_t extents[ARRAY_RANK_MAX];
    bool fortran;
};

// Checks what the header said: a rank of at least one, no empty extent, at most UINT32_MAX samples, sizes
// that neither overflow nor exceed the file.
enum status array_check(const struct array *array, struct error *error);
void array_close(struct array *array);

size_t array_sample_size(const struct array *array); // elements a sample
const char *array_type_name(struct array_type type); // "float32", as NumPy has it

// What is done to each element on the way: bytes by a table, others times `factor`.
struct array_scale {
    bool bytes; // x / 255, correctly rounded
    float factor;
};

// Converts `n` elements as they stand in the file.
void array_convert(struct array_type type, struct array_scale scale, const unsigned char *raw, size_t n,
                   float *ret);

// Streams samples `rows` (ascending, n of them; NULL: the first n) into `ret` [n, sample size] in C order.
// The array must stand at its first element. NaN and infinity are errors that name the sample.
enum status array_read(struct array *array, const uint32_t *rows, size_t n, struct array_scale scale,
                       float *ret, struct error *error);

// Streams an array with one element a sample as whole numbers of at least 0 and less than `limit` into `ret`
// [extents[0]]; anything else is an error that names sample and value.
enum status array_read_classes(struct array *array, size_t limit, int32_t *ret, struct error *error);
