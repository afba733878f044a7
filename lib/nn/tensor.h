// The table of named tensors that lays a model's parameters out in one flat float32 vector.
#pragma once

#include "base/error.h"
#include "base/shape.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSOR_NAME_BYTES = 64 };
#define TENSOR_FLOATS_MAX ((size_t)1 << 31) // of a whole layout: 8 GiB

struct tensor {
    char name[TENSOR_NAME_BYTES]; // as in PyTorch's nn.Sequential: "0.weight"
    struct shape shape;
    size_t offset; // in floats
};

// Tensors lie back to back in order, without gaps.
struct layout {
    size_t n_tensors;
    struct tensor *tensors;
    size_t n_parameters;
};

#define LAYOUT_INIT ((struct layout){0})

// INVALID_ARGUMENT for a name that is too long, an extent of zero, or a total above TENSOR_FLOATS_MAX.
enum status layout_add(struct layout *layout, const char *name, const struct shape *shape,
                       struct error *error);
enum status layout_copy(struct layout *ret, const struct layout *from, struct error *error);
void layout_release(struct layout *layout);
bool layout_equal(const struct layout *a, const struct layout *b);
