#include "data/arrays.h"
#include "base/memory.h"
#include <inttypes.h>
#include <string.h>

struct arrays {
    const struct arrays_opener *opener;
    const struct arrays_options *options;
    struct data_files files;
    struct source_info info;
    int32_t *classes; // [n_samples], with TARGET_CLASS
};

static enum status sample_shape(const struct arrays *arrays, const struct array *features, struct shape *ret,
                                struct error *error)
{
    const struct int_list *wanted = &arrays->options->shape;
    struct shape shape = {.rank = features->rank - 1};
    for (unsigned int i = 0; i < shape.rank; i++)
        shape.extents[i] = features->extents[i + 1];
    if (wanted->n)
        return dataset_reshape(&shape, wanted, stream_name(features->stream), ret, error);
    if (shape.rank == 0)
        shape = (struct shape){.rank = 1, .extents = {1}};
    if (shape.rank == 2 && arrays->opener->images)
        shape = (struct shape){.rank = 3, .extents = {1, shape.extents[0], shape.extents[1]}};
    *ret = shape;
    return STATUS_OK;
}

static enum status check_counts(const struct array *features, const struct array *labels, struct error *error)
{
    if (features->extents[0] == labels->extents[0])
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s' holds %zu samples and '%s' %zu labels; name the two files that belong together",
                     stream_name(features->stream), features->extents[0], stream_name(labels->stream),
                     labels->extents[0]);
}

static enum status open_classes(struct arrays *arrays, const struct arrays *like, struct array *labels,
                                struct error *error)
{
    size_t n = labels->extents[0], most = 0;
    size_t given = like ? like->info.n_outputs : (size_t)arrays->options->classes;
    if (array_sample_size(labels) != 1)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' holds %zu numbers a sample, where a class is one; name the labels' file, or set "
            "target: values",
            stream_name(labels->stream), array_sample_size(labels));
    arrays->classes = memory_array(n, sizeof *arrays->classes);
    if (!arrays->classes)
        return error_no_memory(error, n * sizeof *arrays->classes);
    TRY(array_read_classes(labels, given ? given : DATASET_OUTPUTS_MAX, arrays->classes, error));
    for (size_t i = 0; i < n; i++)
        if ((size_t)arrays->classes[i] > most)
            most = (size_t)arrays->classes[i];
    arrays->info.n_outputs = given ? given : most + 1;
    return STATUS_OK;
}

static enum status open_targets(struct arrays *arrays, const struct arrays *like, struct array *labels,
                                struct error *error)
{
    arrays->info.target_type = arrays->options->target;
    if (arrays->info.target_type == TARGET_CLASS)
        return open_classes(arrays, like, labels, error);
    arrays->info.n_outputs = array_sample_size(labels);
    if (arrays->info.n_outputs > DATASET_OUTPUTS_MAX)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' holds %zu values to predict a sample, and at most %d can be; name the labels' file",
            stream_name(labels->stream), arrays->info.n_outputs, DATASET_OUTPUTS_MAX);
    return STATUS_OK;
}

// Test data must fit what was trained on.
static enum status check_like(const struct arrays *arrays, const struct arrays *like, struct error *error)
{
    char ours[64], theirs[64];
    if (!like || (shape_equal(&arrays->info.sample, &like->info.sample) &&
                  arrays->info.n_outputs == like->info.n_outputs))
        return STATUS_OK;
    shape_format(&arrays->info.sample, ours, sizeof ours);
    shape_format(&like->info.sample, theirs, sizeof theirs);
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "'%s' has samples of %s and %zu outputs, and the training data '%s' of %s and %zu; name test data "
        "of the same kind",
        arrays->files.features, ours, arrays->info.n_outputs, like->files.features, theirs,
        like->info.n_outputs);
}

static bool has_labels(const struct arrays *arrays)
{
    return arrays->files.labels || !arrays->files.unlabelled;
}

// As the data that they are like.
static enum status open_unlabelled(struct arrays *arrays, const struct arrays *like, struct error *error)
{
    arrays->info.target_type = arrays->options->target;
    arrays->info.n_outputs = like ? like->info.n_outputs : (size_t)arrays->options->classes;
    if (arrays->info.n_outputs == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' has no labels, so that nobody knows how many classes there are; set classes",
                         arrays->files.features);
    if (arrays->info.target_type == TARGET_CLASS)
        arrays->classes = memory_array(arrays->info.n_samples, sizeof *arrays->classes);
    if (arrays->info.target_type == TARGET_CLASS && !arrays->classes)
        return error_no_memory(error, arrays->info.n_samples * sizeof *arrays->classes);
    return STATUS_OK;
}

static enum status open_array(const struct arrays *arrays, bool labels, struct array *ret,
                              struct error *error)
{
    const struct arrays_opener *opener = arrays->opener;
    const char *path = labels ? arrays->files.labels : arrays->files.features;
    if (opener->open)
        return opener->open(arrays->options, &arrays->files, labels, ret, error);
    if (!path)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' needs its labels' file beside it: %s holds one array a file; add labels: PATH",
                         arrays->files.features, opener->name);
    TRY(stream_open(&ret->stream, path, error));
    return opener->read_header(ret, error);
}

static enum status open_labelled(struct arrays *arrays, const struct arrays *like,
                                 const struct array *features, struct array *labels, struct error *error)
{
    TRY(open_array(arrays, true, labels, error));
    TRY(check_counts(features, labels, error));
    return open_targets(arrays, like, labels, error);
}

static enum status open_both(struct arrays *arrays, const struct arrays *like, struct array *features,
                             struct array *labels, struct error *error)
{
    TRY(open_array(arrays, false, features, error));
    arrays->info.n_samples = features->extents[0];
    TRY(sample_shape(arrays, features, &arrays->info.sample, error));
    TRY(has_labels(arrays) ? open_labelled(arrays, like, features, labels, error)
                           : open_unlabelled(arrays, like, error));
    return check_like(arrays, like, error);
}

enum status arrays_open(const struct arrays_opener *opener, const void *options,
                        const struct data_files *files, const void *like, void **ret,
                        struct source_info *ret_info, struct error *error)
{
    struct arrays *arrays = memory_zalloc(sizeof *arrays);
    if (!arrays)
        return error_no_memory(error, sizeof *arrays);
    arrays->opener = opener;
    arrays->options = options;
    arrays->files = *files;
    struct array features = {0}, labels = {0};
    enum status status = open_both(arrays, like, &features, &labels, error);
    array_close(&features);
    array_close(&labels);
    if (status != STATUS_OK) {
        arrays_close(arrays);
        return status;
    }
    *ret = arrays;
    *ret_info = arrays->info;
    return STATUS_OK;
}

void arrays_close(void *source)
{
    struct arrays *arrays = source;
    memory_free(arrays->classes);
    memory_free(arrays);
}

enum status arrays_groups(void *source, const char *column, uint32_t *ret, struct error *error)
{
    const struct arrays *arrays = source;
    if (column)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' has no column '%s' to share out by, as it holds arrays; use CSV, or another "
                         "partition",
                         arrays->files.features, column);
    for (size_t i = 0; i < arrays->info.n_samples; i++)
        ret[i] = (uint32_t)arrays->classes[i];
    return STATUS_OK;
}

static enum status read_array(const struct arrays *arrays, bool labels, const uint32_t *rows, size_t n,
                              struct array_scale scale, float *ret, struct error *error)
{
    struct array array = {0};
    enum status status = open_array(arrays, labels, &array, error);
    size_t size = labels ? arrays->info.n_outputs : shape_size(&arrays->info.sample);
    if (status == STATUS_OK &&
        (array.extents[0] != arrays->info.n_samples || array_sample_size(&array) != size))
        status = error_set(error, STATUS_ABORTED,
                           "'%s' was changed while it was read; start again when its writer is done",
                           stream_name(array.stream));
    if (status == STATUS_OK)
        status = array_read(&array, rows, n, scale, ret, error);
    array_close(&array);
    return status;
}

enum status arrays_read(void *source, const uint32_t *rows, size_t n, struct dataset *ret,
                        struct error *error)
{
    const struct arrays *arrays = source;
    double factor = arrays->options->scale;
    struct array_scale scale = {.bytes = factor == 0, .factor = factor == 0 ? 1 : (float)factor};
    TRY(read_array(arrays, false, rows, n, scale, ret->features, error));
    if (!has_labels(arrays))
        return STATUS_OK; // the dataset was made of zeros
    if (arrays->info.target_type == TARGET_VALUES)
        return read_array(arrays, true, rows, n, (struct array_scale){.factor = 1}, ret->values, error);
    for (size_t i = 0; i < n; i++)
        ret->classes[i] = arrays->classes[rows ? rows[i] : i];
    return STATUS_OK;
}
