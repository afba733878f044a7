// Chunks: field 2 `offset`, field 15 `data`, the same in every stream that carries parameters. On the way out
// a prefix of a few bytes and a slice that points at the sender's data; on the way in the data is handed over
// from the slices that gRPC received into. Nothing is copied but floats that lie across two slices.
#include "rpc/rpc_impl.h"
#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

enum { TAG_OFFSET = 2, TAG_DATA = 15, PREFIX_BYTES_MAX = 32, FLOAT_BYTES = 4 };

grpc_byte_buffer *chunk_encode(uint64_t offset, const void *data, size_t bytes, void (*release)(void *user),
                               void *user)
{
    uint8_t prefix[PREFIX_BYTES_MAX];
    pb_ostream_t stream = pb_ostream_from_buffer(prefix, sizeof prefix);
    bool encoded = pb_encode_tag(&stream, PB_WT_VARINT, TAG_OFFSET) && pb_encode_varint(&stream, offset) &&
                   pb_encode_tag(&stream, PB_WT_STRING, TAG_DATA) && pb_encode_varint(&stream, bytes);
    if (!encoded) // three varints and two tags fit
        return NULL;
    grpc_slice slices[2] = {
        grpc_slice_from_copied_buffer((const char *)prefix, stream.bytes_written),
        grpc_slice_new_with_user_data((void *)(uintptr_t)data, bytes, release, user),
    };
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(slices, 2);
    grpc_slice_unref(slices[0]);
    grpc_slice_unref(slices[1]);
    return buffer;
}

// Where the data lies in a message.
struct chunk_place {
    struct rpc_chunk chunk;
    struct slice_cursor data;
    size_t before_bytes; // of the message, up to the data's tag
    struct slice_cursor after;
    size_t after_bytes;
};

static const char *place_offset(struct chunk_place *place, pb_istream_t *stream, pb_wire_type_t type)
{
    if (type != PB_WT_VARINT)
        return "offset is not a number";
    if (place->chunk.present)
        return "the offset comes after the data";
    return pb_decode_varint(stream, &place->chunk.offset) ? NULL : PB_GET_ERROR(stream);
}

static const char *place_data(struct chunk_place *place, pb_istream_t *stream, pb_wire_type_t type)
{
    uint32_t bytes;
    if (type != PB_WT_STRING)
        return "data is not bytes";
    if (place->chunk.present)
        return "data comes twice";
    if (!pb_decode_varint32(stream, &bytes))
        return PB_GET_ERROR(stream);
    if (bytes > stream->bytes_left)
        return "data is cut short";
    if (place->chunk.offset > UINT64_MAX - bytes)
        return "the offset is too large";
    place->chunk.present = true;
    place->chunk.bytes = bytes;
    // nanopb skips 16 bytes at a time; the cursor jumps.
    struct slice_cursor *cursor = stream->state;
    place->data = *cursor;
    cursor_skip(cursor, bytes);
    stream->bytes_left -= bytes;
    place->after = *cursor;
    place->after_bytes = stream->bytes_left;
    return NULL;
}

// Walks over the top fields; returns why not, or NULL.
static const char *find_chunk(struct rpc_message *message, bool others_allowed, struct chunk_place *place)
{
    struct slice_cursor cursor;
    pb_istream_t stream = message_stream(message, &cursor);
    const char *why = NULL;
    while (!why) {
        pb_wire_type_t type;
        uint32_t tag;
        bool eof = false;
        if (!place->chunk.present)
            place->before_bytes = rpc_message_bytes(message) - stream.bytes_left;
        if (!pb_decode_tag(&stream, &type, &tag, &eof))
            return eof ? NULL : PB_GET_ERROR(&stream);
        if (tag == TAG_OFFSET)
            why = place_offset(place, &stream, type);
        else if (tag == TAG_DATA)
            why = place_data(place, &stream, type);
        else if (!others_allowed)
            why = "a field beside offset and data";
        else if (!pb_skip_field(&stream, type))
            why = PB_GET_ERROR(&stream);
    }
    return why;
}

// What stands before the data and what stands after it are messages of their own.
static enum status decode_others(struct rpc_message *message, const struct chunk_place *place,
                                 const pb_msgdesc_t *fields, void *ret, struct error *error)
{
    struct slice_cursor cursor;
    pb_istream_t stream = message_stream(message, &cursor);
    if (place->chunk.present)
        stream.bytes_left = place->before_bytes;
    if (!pb_decode(&stream, fields, ret))
        return message_malformed(PB_GET_ERROR(&stream), error);
    if (!place->chunk.present || place->after_bytes == 0)
        return STATUS_OK;
    cursor = place->after;
    stream.bytes_left = place->after_bytes;
    if (!pb_decode_ex(&stream, fields, ret, PB_DECODE_NOINIT))
        return message_malformed(PB_GET_ERROR(&stream), error);
    return STATUS_OK;
}

// A float that lies across slices (or the 1 to 3 bytes that end data of another length), gathered.
static size_t gather(struct slice_cursor *cursor, uint8_t *into, size_t have, size_t want)
{
    while (have < want) {
        size_t bytes;
        const uint8_t *run = cursor_run(cursor, want - have, &bytes);
        if (!run)
            return have;
        memcpy(into + have, run, bytes);
        have += bytes;
    }
    return have;
}

static bool hand_over(const struct chunk_place *place,
                      bool (*take)(void *user, uint64_t offset, const uint8_t *run, size_t bytes), void *user)
{
    struct slice_cursor cursor = place->data;
    uint64_t offset = place->chunk.offset;
    size_t left = place->chunk.bytes;
    while (left > 0) {
        size_t bytes;
        const uint8_t *run = cursor_run(&cursor, left, &bytes);
        size_t whole = bytes - bytes % FLOAT_BYTES;
        if (bytes == left) // the last run is whatever it is
            whole = bytes;
        if (whole > 0 && !take(user, offset, run, whole))
            return false;
        offset += whole;
        left -= whole;
        size_t carry = bytes - whole;
        if (carry > 0) {
            uint8_t split[FLOAT_BYTES];
            memcpy(split, run + whole, carry);
            size_t n = gather(&cursor, split, carry, left < FLOAT_BYTES ? left : FLOAT_BYTES);
            if (!take(user, offset, split, n))
                return false;
            offset += n;
            left -= n;
        }
    }
    return true;
}

enum status rpc_message_decode_chunk(struct rpc_message *message, const pb_msgdesc_t *fields, void *ret,
                                     struct rpc_chunk *ret_chunk,
                                     bool (*take)(void *user, uint64_t offset, const uint8_t *run,
                                                  size_t bytes),
                                     void *user, struct error *error)
{
    // All of it is checked before a byte is handed over.
    struct chunk_place place = {.chunk = {.present = false}};
    const char *why = find_chunk(message, fields != NULL, &place);
    if (why)
        return message_malformed(why, error);
    if (fields)
        TRY(decode_others(message, &place, fields, ret, error));
    if (place.chunk.present && take && !hand_over(&place, take, user)) {
        if (fields)
            pb_release(fields, ret);
        return error_set(error, STATUS_ABORTED, "the chunk at offset %llu was not taken",
                         (unsigned long long)place.chunk.offset);
    }
    *ret_chunk = place.chunk;
    return STATUS_OK;
}
