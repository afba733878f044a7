// A growable run of bytes, for text and files built in memory.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data; // NUL-terminated when not NULL
    size_t n;
    size_t capacity;
    bool failed; // an append ran out of memory: everything later is dropped, check once at the end
};

#define BYTES_INIT ((struct bytes){0})

void bytes_append(struct bytes *bytes, const void *data, size_t n);
void bytes_text(struct bytes *bytes, const char *text);
void bytes_format(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD.
void bytes_json(struct bytes *bytes, const char *text);
void bytes_release(struct bytes *bytes);

// The whole file, at most `limit` bytes (else INVALID_ARGUMENT). `bytes` is released on failure.
enum status bytes_read_file(struct bytes *bytes, const char *path, size_t limit, struct error *error);

uint32_t bytes_be32(const void *data);
uint16_t bytes_le16(const void *data);
uint32_t bytes_le32(const void *data);
uint64_t bytes_le64(const void *data);
