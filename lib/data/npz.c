// NPZ: NumPy's archive of named arrays, features and labels in one file.
#include "base/file.h"
#include "base/memory.h"
#include "data/arrays.h"
#include "data/npy_header.h"
#include "data/zip.h"
#include <string.h>

struct npz_options {
    struct arrays_options arrays; // first, for ARRAYS_FIELDS
    const char *features_key, *labels_key;
};

// "mnist.npz#x_test" names the array in the path, for archives that hold training and test data.
static enum status open_array(const void *options, const struct data_files *files, bool labels,
                              struct array *ret, struct error *error)
{
    const struct npz_options *npz = options;
    const char *key = labels ? npz->labels_key : npz->features_key;
    cleanup_free char *path = memory_copy_text(labels && files->labels ? files->labels : files->features);
    if (!path)
        return error_no_memory(error, 1);
    char *mark = strrchr(path, '#');
    if (mark && !file_exists(path)) {
        *mark = '\0';
        if (!labels || files->labels)
            key = mark + 1;
    }
    TRY(zip_open_entry(&ret->stream, path, key, ".npy", error));
    return npy_read_header(ret, error);
}

static const struct arrays_opener opener = {.open = open_array};

static enum status npz_open(const void *options, const struct data_files *files, const void *like, void **ret,
                            struct source_info *ret_info, struct error *error)
{
    return arrays_open(&opener, options, files, like, ret, ret_info, error);
}

static const struct field fields[] = {
    ARRAYS_FIELDS,
    {.name = "features_key",
     .type = FIELD_TEXT,
     .offset = offsetof(struct npz_options, features_key),
     .fallback = "x",
     .help = "The array of features, unless the path names it after a #"},
    {.name = "labels_key",
     .type = FIELD_TEXT,
     .offset = offsetof(struct npz_options, labels_key),
     .fallback = "y",
     .help = "The array of labels, unless the path names it after a #"},
    {0},
};

const struct format_kind format_npz = {
    .kind =
        {
            .name = "npz",
            .help = "A NumPy archive of arrays, from savez or savez_compressed",
            .fields = fields,
            .options_bytes = sizeof(struct npz_options),
        },
    .open = npz_open,
    .groups = arrays_groups,
    .read = arrays_read,
    .close = arrays_close,
};
