#include "nn/tensor.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

// The product of the extents, or 0 when it is zero or beyond TENSOR_FLOATS_MAX.
static size_t bounded_size(const struct shape *shape)
{
    size_t size = 1;
    for (unsigned int i = 0; i < shape->rank; i++)
        if (__builtin_mul_overflow(size, shape->extents[i], &size) || size > TENSOR_FLOATS_MAX)
            return 0;
    return size;
}

enum status layout_add(struct layout *layout, const char *name, const struct shape *shape,
                       struct error *error)
{
    char text[128];
    if (strlen(name) >= TENSOR_NAME_BYTES)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tensor name '%.32s...' is longer than %d bytes: shorten it", name,
                         TENSOR_NAME_BYTES - 1);
    if (shape->rank > SHAPE_RANK_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tensor '%s' has %u dimensions: at most %d are supported", name, shape->rank,
                         SHAPE_RANK_MAX);
    size_t size = bounded_size(shape);
    if (size == 0 || size > TENSOR_FLOATS_MAX - layout->n_parameters) {
        shape_format(shape, text, sizeof text);
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tensor '%s' of shape %s: every extent must be at least 1 and a model's parameters "
                         "at most %zu in all; use smaller layers",
                         name, text, (size_t)TENSOR_FLOATS_MAX);
    }
    struct tensor *tensors = memory_resize(layout->tensors, layout->n_tensors + 1, sizeof layout->tensors[0]);
    if (!tensors)
        return error_no_memory(error, (layout->n_tensors + 1) * sizeof layout->tensors[0]);
    layout->tensors = tensors;
    struct tensor *tensor = &tensors[layout->n_tensors++];
    *tensor = (struct tensor){.shape = *shape, .offset = layout->n_parameters};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    layout->n_parameters += size;
    return STATUS_OK;
}

enum status layout_copy(struct layout *ret, const struct layout *from, struct error *error)
{
    struct tensor *tensors = memory_array(from->n_tensors, sizeof tensors[0]);
    if (!tensors)
        return error_no_memory(error, from->n_tensors * sizeof tensors[0]);
    for (size_t i = 0; i < from->n_tensors; i++)
        tensors[i] = from->tensors[i];
    *ret = (struct layout){from->n_tensors, tensors, from->n_parameters};
    return STATUS_OK;
}

void layout_release(struct layout *layout)
{
    memory_free(layout->tensors);
    *layout = LAYOUT_INIT;
}

bool layout_equal(const struct layout *a, const struct layout *b)
{
    if (a->n_tensors != b->n_tensors || a->n_parameters != b->n_parameters)
        return false;
    for (size_t i = 0; i < a->n_tensors; i++)
        if (strcmp(a->tensors[i].name, b->tensors[i].name) != 0 ||
            !shape_equal(&a->tensors[i].shape, &b->tensors[i].shape) ||
            a->tensors[i].offset != b->tensors[i].offset)
            return false;
    return true;
}
