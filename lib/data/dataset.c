#include "data/dataset.h"
#include "base/memory.h"
#include <string.h>

const char *const dataset_target_words[] = {
    [TARGET_CLASS] = "class",
    [TARGET_VALUES] = "values",
    NULL,
};

enum status dataset_reserve(struct dataset *dataset, size_t n, struct error *error)
{
    size_t n_features, n_values;
    if (__builtin_mul_overflow(n, shape_size(&dataset->sample), &n_features) ||
        __builtin_mul_overflow(n, dataset->n_outputs, &n_values))
        return error_no_memory(error, SIZE_MAX);
    dataset->n_samples = n;
    dataset->features = memory_floats(n_features);
    if (dataset->target_type == TARGET_CLASS)
        dataset->classes = memory_array(n, sizeof *dataset->classes);
    else
        dataset->values = memory_floats(n_values);
    if (dataset->features && (dataset->classes || dataset->values))
        return STATUS_OK;
    dataset_release(dataset);
    return error_set(
        error, STATUS_RESOURCE_EXHAUSTED,
        "out of memory: %zu samples of %zu numbers do not fit; share the data among more processes", n,
        n ? n_features / n : 0);
}

void dataset_release(struct dataset *dataset)
{
    memory_free(dataset->features);
    memory_free(dataset->classes);
    memory_free(dataset->values);
    *dataset = DATASET_INIT;
}

enum status dataset_reshape(const struct shape *shape, const struct int_list *wanted, const char *name,
                            struct shape *ret, struct error *error)
{
    struct shape as = {.rank = (unsigned int)wanted->n};
    size_t size = shape_size(shape), product = 1;
    if (wanted->n > SHAPE_RANK_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "shape has %zu extents, where a sample has at most %d", wanted->n, SHAPE_RANK_MAX);
    for (size_t i = 0; i < wanted->n; i++) {
        as.extents[i] = (size_t)wanted->values[i];
        if (wanted->values[i] < 1 || __builtin_mul_overflow(product, as.extents[i], &product))
            product = SIZE_MAX;
    }
    if (product == size) {
        *ret = as;
        return STATUS_OK;
    }
    char text[64];
    shape_format(&as, text, sizeof text);
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s': the shape %s does not hold the %zu numbers of a sample; give one that does", name,
                     text, size);
}

bool part_lies_together(const struct part *part, size_t first, size_t n, size_t *ret_row)
{
    *ret_row = part->rows && n ? part->rows[first] : first;
    for (size_t i = 1; part->rows && i < n; i++)
        if (part->rows[first + i] != part->rows[first] + i)
            return false;
    return true;
}

void part_gather(const struct part *part, const uint32_t *order, size_t first, size_t n, float *features,
                 int32_t *classes, float *values)
{
    const struct dataset *dataset = part->dataset;
    size_t size = shape_size(&dataset->sample), n_outputs = dataset->n_outputs;
    for (size_t i = 0; i < n; i++) {
        size_t at = order ? order[i] : first + i;
        size_t row = part->rows ? part->rows[at] : at;
        memcpy(features + i * size, dataset->features + row * size, size * sizeof *features);
        if (dataset->target_type == TARGET_CLASS)
            classes[i] = dataset->classes[row];
        else
            memcpy(values + i * n_outputs, dataset->values + row * n_outputs, n_outputs * sizeof *values);
    }
}
