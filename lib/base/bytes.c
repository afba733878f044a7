#include "base/bytes.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool bytes_reserve(struct bytes *bytes, size_t n)
{
    if (bytes->failed)
        return false;
    if (bytes->n + n + 1 <= bytes->capacity)
        return true;
    size_t capacity = bytes->capacity ? bytes->capacity : 256;
    while (capacity < bytes->n + n + 1)
        capacity *= 2;
    char *data = memory_resize(bytes->data, capacity, 1);
    if (!data) {
        bytes->failed = true;
        return false;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void bytes_append(struct bytes *bytes, const void *data, size_t n)
{
    if (!bytes_reserve(bytes, n))
        return;
    if (n)
        memcpy(bytes->data + bytes->n, data, n);
    bytes->n += n;
    bytes->data[bytes->n] = '\0';
}

void bytes_text(struct bytes *bytes, const char *text)
{
    bytes_append(bytes, text, strlen(text));
}

void bytes_format(struct bytes *bytes, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n >= 0 && bytes_reserve(bytes, (size_t)n)) {
        vsnprintf(bytes->data + bytes->n, (size_t)n + 1, format, again);
        bytes->n += (size_t)n;
    }
    va_end(again);
}

// The length of the well-formed UTF-8 sequence at `text` (Unicode 15, table 3-7), or 0.
static size_t utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char first, last, second_first, second_last;
        size_t n;
    } rows[] = {
        {0x00, 0x7F, 0x00, 0xFF, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (text[0] < rows[i].first || text[0] > rows[i].last)
            continue;
        if (rows[i].n > 1 && (text[1] < rows[i].second_first || text[1] > rows[i].second_last))
            return 0;
        for (size_t k = 2; k < rows[i].n; k++)
            if (text[k] < 0x80 || text[k] > 0xBF)
                return 0;
        return rows[i].n;
    }
    return 0;
}

void bytes_json(struct bytes *bytes, const char *text)
{
    bytes_text(bytes, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t n = utf8_length(c);
        if (n == 0) {
            bytes_text(bytes, "\\ufffd");
            n = 1;
        } else if (*c == '"' || *c == '\\') {
            bytes_format(bytes, "\\%c", *c);
        } else if (*c == '\n') {
            bytes_text(bytes, "\\n");
        } else if (*c < 0x20 || *c == 0x7F) {
            bytes_format(bytes, "\\u%04x", *c);
        } else {
            bytes_append(bytes, c, n);
        }
        c += n;
    }
    bytes_text(bytes, "\"");
}

void bytes_release(struct bytes *bytes)
{
    memory_free(bytes->data);
    *bytes = BYTES_INIT;
}

static enum status read_all(struct bytes *bytes, int fd, const char *path, size_t limit, struct error *error)
{
    struct stat info;
    if (fstat(fd, &info))
        return error_errno(error, errno, "cannot read", path);
    if (S_ISDIR(info.st_mode))
        return error_errno(error, EISDIR, "cannot read", path);
    if (info.st_size > 0)
        bytes_reserve(bytes, (size_t)info.st_size < limit ? (size_t)info.st_size : limit);
    for (;;) {
        char block[1 << 14];
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(error, errno, "cannot read", path);
        if (n == 0)
            break;
        if (bytes->n + (size_t)n > limit)
            return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is larger than the %zu bytes allowed",
                             path, limit);
        bytes_append(bytes, block, (size_t)n);
    }
    bytes_append(bytes, "", 0);
    return bytes->failed ? error_no_memory(error, bytes->n) : STATUS_OK;
}

enum status bytes_read_file(struct bytes *bytes, const char *path, size_t limit, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(error, errno, "cannot open", path);
    enum status status = read_all(bytes, fd, path, limit, error);
    close(fd);
    if (status != STATUS_OK)
        bytes_release(bytes);
    return status;
}

uint32_t bytes_be32(const void *data)
{
    const uint8_t *b = data;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint16_t bytes_le16(const void *data)
{
    const uint8_t *b = data;
    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t bytes_le32(const void *data)
{
    const uint8_t *b = data;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t bytes_le64(const void *data)
{
    return bytes_le32(data) | (uint64_t)bytes_le32((const uint8_t *)data + 4) << 32;
}
