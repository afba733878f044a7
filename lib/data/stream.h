// A file's bytes from front to back, or those of one entry of an archive. Compression is undone on the way,
// so that nobody above holds more than the block being looked at.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

enum stream_packing { STREAM_PLAIN, STREAM_GZIP, STREAM_DEFLATE };

// A run of bytes of a file that hold one stream.
struct stream_range {
    const char *name; // how errors call it; copied
    uint64_t first, end;
    enum stream_packing packing;
    bool has_sum; // of the bytes handed out, as CRC-32; checked at the end when none were skipped
    uint32_t sum;
};

// Opens a regular file, whole; gzip is recognised by its first bytes, whatever the name. A folder, a pipe or
// an empty file is an error.
enum status stream_open(struct stream **ret, const char *path, struct error *error);
// Opens a part of a file. Takes `fd`, also on failure.
enum status stream_open_range(struct stream **ret, int fd, const struct stream_range *range,
                              struct error *error);
struct stream *stream_close(struct stream *stream);

// Opens `path` for reading when it is a regular file that is not empty; tells its size.
enum status stream_open_file(int *ret_fd, const char *path, uint64_t *ret_bytes, struct error *error);

// Fills `ret` up to its `n` bytes; fewer only at the end. Damaged or cut compression is DATA_LOSS.
enum status stream_read_some(struct stream *stream, void *ret, size_t n, size_t *ret_n, struct error *error);
// Exactly `n` bytes, or DATA_LOSS when the file ends before that.
enum status stream_read(struct stream *stream, void *ret, size_t n, struct error *error);
enum status stream_skip(struct stream *stream, uint64_t n, struct error *error);
// DATA_LOSS unless every byte was read, and their check sum is right.
enum status stream_expect_end(struct stream *stream, struct error *error);

// DATA_LOSS when `n` more bytes cannot come, as far as the file's size tells: so that a header that lies
// costs no memory. (Deflate shrinks at most 1032 times: zlib's technical details.)
enum status stream_expect(const struct stream *stream, uint64_t n, struct error *error);

const char *stream_name(const struct stream *stream);
uint64_t stream_position(const struct stream *stream); // bytes handed out or skipped
