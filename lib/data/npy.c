// NPY: NumPy's own format for one array; features and labels stand in a file each.
#include "data/arrays.h"
#include "data/npy_header.h"

static const struct arrays_opener opener = {.read_header = npy_read_header, .name = "NPY"};

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
