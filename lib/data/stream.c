#include "data/stream.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK_BYTES = 1 << 16, DEFLATE_RATIO_MAX = 1032 };

struct stream {
    int fd;
    char *name;
    enum stream_packing packing;
    uint64_t next, end; // of the file: what is not yet read
    uint64_t in_file;   // bytes that the stream takes there
    uint64_t position;  // bytes handed out
    bool has_sum;
    uint32_t expected_sum, sum;
    bool z_open, z_done; // z_done: the compressed data came to its own end
    z_stream z;
    unsigned char block[BLOCK_BYTES]; // compressed bytes
};

enum status stream_open_file(int *ret_fd, const char *path, uint64_t *ret_bytes, struct error *error)
{
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(error, errno, "cannot open", path);
    struct stat info;
    enum status status = STATUS_OK;
    if (fstat(fd, &info))
        status = error_errno(error, errno, "cannot read", path);
    else if (S_ISDIR(info.st_mode))
        status = error_errno(error, EISDIR, "cannot read", path);
    else if (!S_ISREG(info.st_mode))
        status = error_set(error, STATUS_INVALID_ARGUMENT,
                           "'%s' is not a regular file; save the data to a file first", path);
    else if (info.st_size == 0)
        status = error_set(error, STATUS_DATA_LOSS, "'%s' is empty; fetch or copy the file again", path);
    if (status != STATUS_OK) {
        close(fd);
        return status;
    }
    *ret_fd = fd;
    *ret_bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

enum status stream_open(struct stream **ret, const char *path, struct error *error)
{
    int fd = -1;
    struct stream_range range = {.name = path};
    TRY(stream_open_file(&fd, path, &range.end, error));
    unsigned char magic[2];
    if (pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1F && magic[1] == 0x8B)
        range.packing = STREAM_GZIP;
    return stream_open_range(ret, fd, &range, error);
}

enum status stream_open_range(struct stream **ret, int fd, const struct stream_range *range,
                              struct error *error)
{
    struct stream *stream = memory_alloc(sizeof *stream);
    if (!stream) {
        close(fd);
        return error_no_memory(error, sizeof *stream);
    }
    memset(stream, 0, offsetof(struct stream, block));
    stream->fd = fd;
    stream->packing = range->packing;
    stream->has_sum = range->has_sum;
    stream->expected_sum = range->sum;
    stream->next = range->first;
    stream->end = range->end;
    stream->in_file = range->end - range->first;
    stream->name = memory_copy_text(range->name);
    // windowBits: 31 is gzip, -15 is deflate without a header (zlib.h).
    if (stream->name && range->packing != STREAM_PLAIN)
        stream->z_open = inflateInit2(&stream->z, range->packing == STREAM_GZIP ? 31 : -15) == Z_OK;
    if (!stream->name || (range->packing != STREAM_PLAIN && !stream->z_open)) {
        stream_close(stream);
        return error_no_memory(error, sizeof *stream);
    }
    *ret = stream;
    return STATUS_OK;
}

struct stream *stream_close(struct stream *stream)
{
    if (!stream)
        return NULL;
    if (stream->z_open)
        inflateEnd(&stream->z);
    close(stream->fd);
    memory_free(stream->name);
    return memory_free(stream);
}

const char *stream_name(const struct stream *stream)
{
    return stream->name;
}

uint64_t stream_position(const struct stream *stream)
{
    return stream->position;
}

// Up to `n` bytes of the file as they are.
static enum status read_file(struct stream *stream, void *ret, size_t n, size_t *ret_n, struct error *error)
{
    size_t want = n < stream->end - stream->next ? n : (size_t)(stream->end - stream->next), had = 0;
    while (had < want) {
        ssize_t k = pread(stream->fd, (char *)ret + had, want - had, (off_t)stream->next);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return error_errno(error, errno, "cannot read", stream->name);
        if (k == 0)
            return error_set(error, STATUS_DATA_LOSS,
                             "'%s' became shorter while it was read; wait until its writer is done",
                             stream->name);
        had += (size_t)k;
        stream->next += (uint64_t)k;
    }
    *ret_n = had;
    return STATUS_OK;
}

static enum status refill(struct stream *stream, struct error *error)
{
    if (stream->z.avail_in)
        return STATUS_OK;
    size_t n = 0;
    TRY(read_file(stream, stream->block, BLOCK_BYTES, &n, error));
    stream->z.next_in = stream->block;
    stream->z.avail_in = (unsigned int)n;
    return STATUS_OK;
}

// A gzip file may hold several members, one after another (RFC 1952, 2.2); what else follows is padding.
static enum status next_member(struct stream *stream, struct error *error)
{
    TRY(refill(stream, error));
    if (stream->packing == STREAM_GZIP && stream->z.avail_in && stream->z.next_in[0] == 0x1F)
        inflateReset(&stream->z);
    else
        stream->z_done = true;
    return STATUS_OK;
}

static enum status inflate_some(struct stream *stream, void *ret, size_t n, size_t *ret_n,
                                struct error *error)
{
    size_t had = 0;
    while (had < n && !stream->z_done) {
        TRY(refill(stream, error));
        size_t left = n - had;
        stream->z.next_out = (unsigned char *)ret + had;
        stream->z.avail_out = left > 1 << 30 ? 1u << 30 : (unsigned int)left;
        unsigned int room = stream->z.avail_out;
        bool at_end = stream->z.avail_in == 0;
        int code = inflate(&stream->z, Z_NO_FLUSH);
        had += room - stream->z.avail_out;
        if (code == Z_STREAM_END)
            TRY(next_member(stream, error));
        else if (code == Z_BUF_ERROR && at_end)
            return error_set(error, STATUS_DATA_LOSS,
                             "'%s' ends in the middle of its compressed data; copy or fetch it again",
                             stream->name);
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return error_set(
                error, STATUS_DATA_LOSS,
                "'%s': the compressed data is damaged after %" PRIu64 " bytes (%s); copy or fetch it again",
                stream->name, stream->position + had, stream->z.msg ? stream->z.msg : "unexpected code");
    }
    *ret_n = had;
    return STATUS_OK;
}

enum status stream_read_some(struct stream *stream, void *ret, size_t n, size_t *ret_n, struct error *error)
{
    size_t had = 0;
    if (stream->packing == STREAM_PLAIN)
        TRY(read_file(stream, ret, n, &had, error));
    else
        TRY(inflate_some(stream, ret, n, &had, error));
    stream->position += had;
    if (stream->has_sum)
        stream->sum = (uint32_t)crc32_z(stream->sum, ret, had);
    *ret_n = had;
    return STATUS_OK;
}

static enum status too_short(const struct stream *stream, struct error *error)
{
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' is cut short: it ends after %" PRIu64
                     " bytes, where its header promises more; copy or fetch it again",
                     stream->name, stream->position);
}

enum status stream_read(struct stream *stream, void *ret, size_t n, struct error *error)
{
    size_t had = 0;
    TRY(stream_read_some(stream, ret, n, &had, error));
    return had == n ? STATUS_OK : too_short(stream, error);
}

enum status stream_skip(struct stream *stream, uint64_t n, struct error *error)
{
    if (stream->packing == STREAM_PLAIN) {
        if (n > stream->end - stream->next)
            return too_short(stream, error);
        stream->next += n;
        stream->position += n;
        stream->has_sum = stream->has_sum && n == 0;
        return STATUS_OK;
    }
    char waste[1 << 14];
    while (n) {
        size_t k = n < sizeof waste ? (size_t)n : sizeof waste;
        TRY(stream_read(stream, waste, k, error));
        n -= k;
    }
    return STATUS_OK;
}

enum status stream_expect_end(struct stream *stream, struct error *error)
{
    char byte;
    size_t n = 0;
    TRY(stream_read_some(stream, &byte, 1, &n, error));
    if (n == 0 && stream->has_sum && stream->sum != stream->expected_sum)
        return error_set(error, STATUS_DATA_LOSS,
                         "'%s' is damaged: its check sum is %08x and should be %08x; copy or fetch it again",
                         stream->name, stream->sum, stream->expected_sum);
    if (n == 0)
        return STATUS_OK;
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' goes on after the %" PRIu64
                     " bytes that its header promises; the header or the file is damaged, write it again",
                     stream->name, stream->position - 1);
}

enum status stream_expect(const struct stream *stream, uint64_t n, struct error *error)
{
    uint64_t most = stream->in_file, total;
    if (stream->packing != STREAM_PLAIN && __builtin_mul_overflow(most, DEFLATE_RATIO_MAX, &most))
        most = UINT64_MAX;
    if (!__builtin_add_overflow(stream->position, n, &total) && total <= most)
        return STATUS_OK;
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' is cut short or its header is damaged: it promises %" PRIu64
                     " bytes more than the first %" PRIu64 ", and the whole file has %" PRIu64
                     "%s; copy or fetch it again",
                     stream->name, n, stream->position, stream->in_file,
                     stream->packing == STREAM_PLAIN ? "" : " compressed");
}
