// NumPy files for tests.
#pragma once

#include "unit/data/files.h"

// An NPY file of version 1 with this dictionary as its header.
static inline void npy_bytes(struct bytes *ret, const char *dictionary, const void *data, size_t n)
{
    size_t length = strlen(dictionary) + 1;
    bytes_append(ret, "\x93NUMPY\1\0", 8);
    bytes_append(ret, (unsigned char[]){(unsigned char)length, (unsigned char)(length >> 8)}, 2);
    bytes_text(ret, dictionary);
    bytes_text(ret, "\n");
    bytes_append(ret, data, n);
}

static inline void put_npy(const char *name, const char *dictionary, const void *data, size_t n)
{
    struct bytes bytes = BYTES_INIT;
    npy_bytes(&bytes, dictionary, data, n);
    put_file(name, bytes.data, bytes.n);
    bytes_release(&bytes);
}

static inline void append_le(struct bytes *ret, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        bytes_append(ret, (unsigned char[]){(unsigned char)(value >> 8 * i)}, 1);
}

// A ZIP archive in the making: its entries so far, and its table of contents.
struct archive {
    struct bytes file, directory;
    unsigned int n;
};

enum archive_way { ARCHIVE_STORED, ARCHIVE_DEFLATED, ARCHIVE_ZIP64 };

static inline void archive_add(struct archive *archive, const char *name, const void *data, size_t n,
                               enum archive_way way)
{
    unsigned char packed[4096];
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)data, z.avail_in = (unsigned int)n;
    z.next_out = packed, z.avail_out = sizeof packed;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n_packed = way == ARCHIVE_DEFLATED ? z.total_out : n, at = archive->file.n;
    uint32_t sum = (uint32_t)crc32_z(0, data, n);
    bool big = way == ARCHIVE_ZIP64;
    deflateEnd(&z);
    for (int central = 0; central < 2; central++) {
        struct bytes *to = central ? &archive->directory : &archive->file;
        bytes_append(to, central ? "PK\1\2\x2D\0" : "PK\3\4", central ? 6 : 4);
        append_le(to, 45, 2), append_le(to, 0, 2), append_le(to, way == ARCHIVE_DEFLATED ? 8 : 0, 2);
        append_le(to, 0, 4), append_le(to, sum, 4);
        append_le(to, big ? UINT32_MAX : n_packed, 4), append_le(to, big ? UINT32_MAX : n, 4);
        append_le(to, strlen(name), 2), append_le(to, big ? 20 : 0, 2);
        if (central)
            append_le(to, 0, 2), append_le(to, 0, 2), append_le(to, 0, 2), append_le(to, 0, 4),
                append_le(to, at, 4);
        bytes_text(to, name);
        if (big)
            append_le(to, 1, 2), append_le(to, 16, 2), append_le(to, n, 8), append_le(to, n_packed, 8);
    }
    bytes_append(&archive->file, way == ARCHIVE_DEFLATED ? packed : data, n_packed);
    archive->n++;
}

static inline void archive_end(struct archive *archive, const char *comment)
{
    size_t at = archive->file.n;
    bytes_append(&archive->file, archive->directory.data, archive->directory.n);
    bytes_append(&archive->file, "PK\5\6\0\0\0\0", 8);
    append_le(&archive->file, archive->n, 2), append_le(&archive->file, archive->n, 2);
    append_le(&archive->file, archive->directory.n, 4), append_le(&archive->file, at, 4);
    append_le(&archive->file, strlen(comment), 2);
    bytes_text(&archive->file, comment);
    bytes_release(&archive->directory);
}

// Features [3, 2] of floats 0 to 5 as `x` and labels 0, 1, 2 as `y`.
static inline void archive_samples(struct archive *archive, const char *x, const char *y,
                                   enum archive_way way)
{
    struct bytes bytes = BYTES_INIT;
    npy_bytes(&bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
              (float[]){0, 1, 2, 3, 4, 5}, 24);
    archive_add(archive, x, bytes.data, bytes.n, way);
    bytes_release(&bytes);
    npy_bytes(&bytes, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", (int32_t[]){0, 1, 2}, 12);
    archive_add(archive, y, bytes.data, bytes.n, way);
    bytes_release(&bytes);
}
