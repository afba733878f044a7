// NPY: NumPy's own format for one array; features and labels stand in a file each.
#include "data/arrays.h"
#include "data/npy_header.h"

static enum status open_array(const void *options, const struct data_files *files, bool labels,
                              struct array *ret, struct error *error)
{
    const char *path = labels ? files->labels : files->features;
    if (!path)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' needs its labels' file beside it: NPY holds one array a file; add labels: PATH",
            files->features);
    TRY(stream_open(&ret->stream, path, error));
    return npy_read_header(ret, error);
}

static const struct arrays_opener opener = {.open = open_array};

static enum status npy_open(const void *options, const struct data_files *files, const void *like, void **ret,
                            struct source_info *ret_info, struct error *error)
{
    return arrays_open(&opener, options, files, like, ret, ret_info, error);
}

static const struct field fields[] = {ARRAYS_FIELDS, {0}};

const struct format_kind format_npy = {
    .kind =
        {
            .name = "npy",
            .help = "NumPy arrays, plain or gzipped: one file of features, one of labels",
            .fields = fields,
            .options_bytes = sizeof(struct arrays_options),
        },
    .open = npy_open,
    .groups = arrays_groups,
    .read = arrays_read,
    .close = arrays_close,
};
