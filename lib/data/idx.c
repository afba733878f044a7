// IDX, the format in which MNIST and its relatives are published (LeCun, Cortes, Burges:
// yann.lecun.com/exdb/mnist): two zero bytes, the elements' type, the rank, big-endian extents, elements.
#include "base/bytes.h"
#include "base/memory.h"
#include "data/arrays.h"
#include "data/idx_header.h"

static const struct {
    unsigned char code;
    struct array_type type;
} types[] = {
    {0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
    {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}},
};

static enum status find_type(const unsigned char magic[4], const char *path, struct array_type *ret,
                             struct error *error)
{
    if (magic[0] || magic[1])
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is not IDX: it starts with the bytes %02x %02x %02x %02x and not 00 00 TYPE RANK; "
            "name an IDX file or another format",
            path, magic[0], magic[1], magic[2], magic[3]);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].code == magic[2]) {
            *ret = types[i].type;
            return STATUS_OK;
        }
    }
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "'%s': IDX element type 0x%02x is none of 08, 09, 0b, 0c, 0d, 0e; the file is damaged or not "
        "IDX, fetch it again",
        path, magic[2]);
}

enum status idx_read_header(struct array *ret, struct error *error)
{
    const char *path = stream_name(ret->stream);
    unsigned char magic[4], extent[4];
    TRY(stream_read(ret->stream, magic, sizeof magic, error));
    TRY(find_type(magic, path, &ret->type, error));
    ret->rank = magic[3];
    if (ret->rank < 1 || ret->rank > ARRAY_RANK_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s': the rank is %u, where 1 to %d can be read; reshape the array", path,
                         ret->rank, ARRAY_RANK_MAX);
    for (unsigned int i = 0; i < ret->rank; i++) {
        TRY(stream_read(ret->stream, extent, sizeof extent, error));
        ret->extents[i] = bytes_be32(extent);
    }
    return array_check(ret, error);
}

static const struct arrays_opener opener = {.read_header = idx_read_header, .name = "IDX", .images = true};

static enum status idx_open(const void *options, const struct data_files *files, const void *like, void **ret,
                            struct source_info *ret_info, struct error *error)
{
    return arrays_open(&opener, options, files, like, ret, ret_info, error);
}

static const struct field fields[] = {ARRAYS_FIELDS, {0}};

const struct format_kind format_idx = {
    .kind =
        {
            .name = "idx",
            .help = "IDX arrays as MNIST has them, plain or gzipped: one file of features, one of labels",
            .fields = fields,
            .options_bytes = sizeof(struct arrays_options),
        },
    .open = idx_open,
    .groups = arrays_groups,
    .read = arrays_read,
    .close = arrays_close,
};
