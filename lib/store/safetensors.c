#include "store/safetensors.h"
#include "base/file.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

enum { LENGTH_BYTES = 8, ALIGNMENT = 64, BLOCK_BYTES = 1 << 20 };

static void header_tensor(struct bytes *text, const struct tensor *tensor)
{
    bytes_text(text, ",");
    bytes_json(text, tensor->name);
    bytes_text(text, ":{\"dtype\":\"F32\",\"shape\":[");
    for (unsigned int i = 0; i < tensor->shape.rank; i++)
        bytes_format(text, "%s%zu", i ? "," : "", tensor->shape.extents[i]);
    size_t end = tensor->offset + shape_size(&tensor->shape);
    bytes_format(text, "],\"data_offsets\":[%zu,%zu]}", tensor->offset * sizeof(float), end * sizeof(float));
}

enum status safetensors_header(const struct layout *layout, struct bytes *ret, struct error *error)
{
    struct bytes text = BYTES_INIT;
    bytes_append(&text, "\0\0\0\0\0\0\0", LENGTH_BYTES);
    bytes_text(&text, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < layout->n_tensors; i++)
        header_tensor(&text, &layout->tensors[i]);
    bytes_text(&text, "}");
    while (text.n % ALIGNMENT && !text.failed)
        bytes_text(&text, " ");
    if (text.failed) {
        bytes_release(&text);
        return error_no_memory(error, text.n);
    }
    uint64_t n = text.n - LENGTH_BYTES;
    memcpy(text.data, &n, sizeof n);
    *ret = text;
    return STATUS_OK;
}

// A model on its way out: into the hash always, into the file when `fd` is open.
struct stream {
    const struct layout *layout;
    const float *values;
    const char *path;
    struct sha256 *hash;
    int fd;
};

// A block at a time, so that what is hashed is still in the cache when it is written.
static enum status stream_add(const struct stream *stream, const void *data, size_t n, struct error *error)
{
    for (size_t at = 0; at < n; at += BLOCK_BYTES) {
        size_t k = n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES;
        sha256_add(stream->hash, (const char *)data + at, k);
        if (stream->fd >= 0)
            TRY(file_write_all(stream->fd, (const char *)data + at, k, stream->path, error));
    }
    return STATUS_OK;
}

static enum status stream_model(int fd, void *context, struct error *error)
{
    struct stream *stream = context;
    stream->fd = fd;
    struct bytes header = BYTES_INIT;
    TRY(safetensors_header(stream->layout, &header, error));
    enum status status = stream_add(stream, header.data, header.n, error);
    bytes_release(&header);
    if (status != STATUS_OK)
        return status;
    return stream_add(stream, stream->values, stream->layout->n_parameters * sizeof(float), error);
}

enum status safetensors_sha256(const struct layout *layout, const float *values, uint8_t ret[SHA256_BYTES],
                               struct error *error)
{
    struct stream stream = {.layout = layout, .values = values, .hash = sha256_new()};
    if (!stream.hash)
        return error_no_memory(error, SHA256_BYTES);
    enum status status = stream_model(-1, &stream, error);
    if (status == STATUS_OK)
        sha256_finish(stream.hash, ret);
    sha256_free(stream.hash);
    return status;
}

enum status safetensors_write(const char *path, const struct layout *layout, const float *values,
                              bool durable, uint8_t ret_sha256[SHA256_BYTES], struct error *error)
{
    struct stream stream = {.layout = layout, .values = values, .path = path, .hash = sha256_new()};
    if (!stream.hash)
        return error_no_memory(error, SHA256_BYTES);
    enum status status = file_write_by(path, stream_model, &stream, durable, error);
    if (status == STATUS_OK && ret_sha256)
        sha256_finish(stream.hash, ret_sha256);
    sha256_free(stream.hash);
    return status;
}
