// Received messages, read where gRPC put them: a cursor over the slices serves nanopb as its stream.
#include "base/memory.h"
#include "rpc/rpc_impl.h"
#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

struct slice_cursor message_cursor(const struct rpc_message *message)
{
    const grpc_slice_buffer *slices = &message->buffer->data.raw.slice_buffer;
    return (struct slice_cursor){.slices = slices->slices, .n_slices = slices->count};
}

size_t rpc_message_bytes(const struct rpc_message *message)
{
    return message->buffer->data.raw.slice_buffer.length;
}

const uint8_t *cursor_run(struct slice_cursor *cursor, size_t limit, size_t *ret_bytes)
{
    while (cursor->index < cursor->n_slices &&
           cursor->position == GRPC_SLICE_LENGTH(cursor->slices[cursor->index])) {
        cursor->index++;
        cursor->position = 0;
    }
    if (cursor->index == cursor->n_slices) {
        *ret_bytes = 0;
        return NULL;
    }
    const grpc_slice *slice = &cursor->slices[cursor->index];
    size_t rest = GRPC_SLICE_LENGTH(*slice) - cursor->position;
    const uint8_t *run = GRPC_SLICE_START_PTR(*slice) + cursor->position;
    *ret_bytes = rest < limit ? rest : limit;
    cursor->position += *ret_bytes;
    return run;
}

void cursor_skip(struct slice_cursor *cursor, size_t bytes)
{
    while (bytes > 0) {
        size_t run;
        if (!cursor_run(cursor, bytes, &run))
            return;
        bytes -= run;
    }
}

// nanopb's read: `into` is NULL to skip.
static bool read_slices(pb_istream_t *stream, pb_byte_t *into, size_t count)
{
    while (count > 0) {
        size_t bytes;
        const uint8_t *run = cursor_run(stream->state, count, &bytes);
        if (!run)
            return false;
        if (into) {
            memcpy(into, run, bytes);
            into += bytes;
        }
        count -= bytes;
    }
    return true;
}

pb_istream_t message_stream(const struct rpc_message *message, struct slice_cursor *cursor)
{
    *cursor = message_cursor(message);
    return (pb_istream_t){.callback = read_slices, .state = cursor, .bytes_left = rpc_message_bytes(message)};
}

enum status message_malformed(const char *why, struct error *error)
{
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "the message received is malformed ('%s'); do both ends speak the same protocol version?", why);
}

enum status rpc_message_decode(struct rpc_message *message, const pb_msgdesc_t *fields, void *ret,
                               struct error *error)
{
    struct slice_cursor cursor;
    pb_istream_t stream = message_stream(message, &cursor);
    if (!pb_decode(&stream, fields, ret))
        return message_malformed(PB_GET_ERROR(&stream), error);
    return STATUS_OK;
}

enum status rpc_bytes_decode(const uint8_t *bytes, size_t n, const pb_msgdesc_t *fields, void *ret,
                             struct error *error)
{
    pb_istream_t stream = pb_istream_from_buffer(bytes, n);
    if (!pb_decode(&stream, fields, ret))
        return message_malformed(PB_GET_ERROR(&stream), error);
    return STATUS_OK;
}

enum status message_encode(grpc_byte_buffer **ret, const pb_msgdesc_t *fields, const void *message,
                           struct error *error)
{
    size_t bytes;
    if (!pb_get_encoded_size(&bytes, fields, message))
        return error_set(
            error, STATUS_INTERNAL,
            "a message cannot be encoded; is one of its texts not closed, or an array overfull?");
    if (bytes > RPC_MESSAGE_BYTES_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "a message of %zu bytes is over the limit of %d; ask for less at a time", bytes,
                         RPC_MESSAGE_BYTES_MAX);
    grpc_slice slice = grpc_slice_malloc(bytes);
    pb_ostream_t stream = pb_ostream_from_buffer(GRPC_SLICE_START_PTR(slice), bytes);
    bool encoded = pb_encode(&stream, fields, message);
    if (encoded)
        *ret = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return encoded
               ? STATUS_OK
               : error_set(error, STATUS_INTERNAL, "a message cannot be encoded: %s", PB_GET_ERROR(&stream));
}

enum status rpc_encoded_new(struct rpc_encoded **ret, const pb_msgdesc_t *fields, const void *message,
                            struct error *error)
{
    struct rpc_encoded *encoded = memory_zalloc(sizeof *encoded);
    if (!encoded)
        return error_no_memory(error, sizeof *encoded);
    enum status status = message_encode(&encoded->buffer, fields, message, error);
    if (status == STATUS_OK)
        *ret = encoded;
    else
        memory_free(encoded);
    return status;
}

struct rpc_encoded *rpc_encoded_free(struct rpc_encoded *encoded)
{
    if (encoded)
        grpc_byte_buffer_destroy(encoded->buffer);
    return memory_free(encoded);
}
