#include "data/zip.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "data/shown.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_BYTES_MAX = 0xFFFF,
    DIRECTORY_BYTES_MAX = 1 << 24,
};

struct zip {
    const char *path;
    int fd;
    uint64_t n_bytes;
    uint64_t first, n_directory_bytes; // of the central directory
};

struct entry {
    const char *name; // not terminated
    size_t n_name;
    unsigned int flags, method;
    uint32_t sum;
    uint64_t n_packed, n_bytes, local;
};

static enum status damaged(const struct zip *zip, const char *what, struct error *error)
{
    return error_set(
        error, STATUS_DATA_LOSS,
        "'%s' is not a whole ZIP archive: %s; copy or fetch it again, or save it with numpy.savez", zip->path,
        what);
}

static enum status read_at(const struct zip *zip, uint64_t at, void *ret, size_t n, const char *what,
                           struct error *error)
{
    uint64_t end;
    if (__builtin_add_overflow(at, n, &end) || end > zip->n_bytes)
        return damaged(zip, what, error);
    for (size_t had = 0; had < n;) {
        ssize_t k = pread(zip->fd, (char *)ret + had, n - had, (off_t)(at + had));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return error_errno(error, errno, "cannot read", zip->path);
        if (k == 0)
            return damaged(zip, what, error);
        had += (size_t)k;
    }
    return STATUS_OK;
}

// Zip64's end record, which a locator right before the plain one points to.
static enum status read_end64(struct zip *zip, uint64_t end, struct error *error)
{
    unsigned char locator[LOCATOR64_BYTES], record[END64_BYTES];
    if (end < sizeof locator)
        return STATUS_OK;
    TRY(read_at(zip, end - sizeof locator, locator, sizeof locator, "its end is cut off", error));
    if (memcmp(locator, "PK\6\7", 4))
        return STATUS_OK;
    TRY(read_at(zip, bytes_le64(locator + 8), record, sizeof record, "its Zip64 end is not where it says",
                error));
    if (memcmp(record, "PK\6\6", 4))
        return damaged(zip, "its Zip64 end is not where it says", error);
    zip->n_directory_bytes = bytes_le64(record + 40);
    zip->first = bytes_le64(record + 48);
    return STATUS_OK;
}

// The end record stands at the very end, but for a comment.
static enum status find_directory(struct zip *zip, struct error *error)
{
    size_t n =
        zip->n_bytes < END_BYTES + COMMENT_BYTES_MAX ? (size_t)zip->n_bytes : END_BYTES + COMMENT_BYTES_MAX;
    cleanup_free unsigned char *tail = memory_alloc(n);
    if (!tail)
        return error_no_memory(error, n);
    TRY(read_at(zip, zip->n_bytes - n, tail, n, "its end is cut off", error));
    for (size_t at = n < END_BYTES ? 0 : n - END_BYTES + 1; at-- > 0;) {
        const unsigned char *end = tail + at;
        if (memcmp(end, "PK\5\6", 4) || bytes_le16(end + 20) != n - at - END_BYTES)
            continue;
        zip->n_directory_bytes = bytes_le32(end + 12);
        zip->first = bytes_le32(end + 16);
        return read_end64(zip, zip->n_bytes - n + at, error);
    }
    return damaged(zip, "it has no table of contents at its end", error);
}

// Zip64's sizes stand in an extra field with id 1, in this order, each only when the plain one is all ones.
static bool read_extra64(const unsigned char *extra, size_t n, struct entry *entry)
{
    uint64_t *const values[] = {&entry->n_bytes, &entry->n_packed, &entry->local};
    for (size_t at = 0; at + 4 <= n;) {
        size_t id = bytes_le16(extra + at), size = bytes_le16(extra + at + 2);
        const unsigned char *value = extra + at + 4, *end = value + size;
        at += 4 + size;
        if (at > n)
            return false;
        for (size_t i = 0; id == 1 && i < ARRAY_SIZE(values); i++) {
            if (*values[i] != UINT32_MAX)
                continue;
            if (end - value < 8)
                return false;
            *values[i] = bytes_le64(value);
            value += 8;
        }
    }
    return true;
}

// The entry at `directory`; its whole size into `*ret_n`, 0 when it is damaged.
static void read_entry(const unsigned char *directory, size_t n, struct entry *ret, size_t *ret_n)
{
    *ret_n = 0;
    if (n < ENTRY_BYTES || memcmp(directory, "PK\1\2", 4))
        return;
    size_t n_name = bytes_le16(directory + 28), n_extra = bytes_le16(directory + 30);
    size_t total = ENTRY_BYTES + n_name + n_extra + bytes_le16(directory + 32);
    if (total > n)
        return;
    *ret = (struct entry){
        .name = (const char *)directory + ENTRY_BYTES,
        .n_name = n_name,
        .flags = bytes_le16(directory + 8),
        .method = bytes_le16(directory + 10),
        .sum = bytes_le32(directory + 16),
        .n_packed = bytes_le32(directory + 20),
        .n_bytes = bytes_le32(directory + 24),
        .local = bytes_le32(directory + 42),
    };
    if (read_extra64(directory + ENTRY_BYTES + n_name, n_extra, ret))
        *ret_n = total;
}

static bool is_called(const struct entry *entry, const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return entry->n_name >= n && memcmp(entry->name, name, n) == 0 &&
           (entry->n_name == n || (entry->n_name == n + k && memcmp(entry->name + n, suffix, k) == 0));
}

static enum status not_found(const struct zip *zip, const char *name, const struct bytes *names,
                             struct error *error)
{
    char shown[SHOWN_BYTES];
    return error_set(error, STATUS_NOT_FOUND, "'%s' holds no array '%s'; it has: %.200s", zip->path,
                     shown_text(name, shown), names->n ? names->data : "none");
}

static void add_name(struct bytes *names, const struct entry *entry, const char *suffix)
{
    size_t n = entry->n_name, k = strlen(suffix);
    if (n > k && memcmp(entry->name + n - k, suffix, k) == 0)
        n -= k;
    bytes_format(names, "%s", names->n ? ", " : "");
    for (size_t i = 0; i < n && i < 40; i++) {
        unsigned char c = (unsigned char)entry->name[i];
        bytes_format(names, "%c", c < 0x20 || c >= 0x7F ? '?' : c);
    }
}

static enum status find_entry(const struct zip *zip, const unsigned char *directory, const char *name,
                              const char *suffix, struct bytes *names, struct entry *ret, struct error *error)
{
    for (size_t at = 0, n; at < zip->n_directory_bytes; at += n) {
        read_entry(directory + at, (size_t)zip->n_directory_bytes - at, ret, &n);
        if (n == 0)
            return damaged(zip, "its table of contents is damaged", error);
        if (is_called(ret, name, suffix))
            return STATUS_OK;
        if (names->n < 200)
            add_name(names, ret, suffix);
    }
    return not_found(zip, name, names, error);
}

// The entry's data stand after its local header, whose name and extra field have lengths of their own.
static enum status locate(const struct zip *zip, const struct entry *entry, struct stream_range *ret,
                          struct error *error)
{
    unsigned char local[LOCAL_BYTES];
    if (entry->flags & 1)
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is encrypted; save it without a password",
                         zip->path);
    if (entry->method != 0 && entry->method != 8)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is packed by method %u, where 0 (stored) and 8 (deflated) can be read; save it with "
            "numpy.savez_compressed",
            zip->path, entry->method);
    TRY(read_at(zip, entry->local, local, sizeof local, "an entry is not where it says", error));
    if (memcmp(local, "PK\3\4", 4))
        return damaged(zip, "an entry is not where it says", error);
    ret->first = entry->local + LOCAL_BYTES + bytes_le16(local + 26) + bytes_le16(local + 28);
    ret->has_sum = true;
    ret->sum = entry->sum;
    ret->packing = entry->method ? STREAM_DEFLATE : STREAM_PLAIN;
    if (__builtin_add_overflow(ret->first, entry->n_packed, &ret->end) || ret->end > zip->n_bytes ||
        (entry->method == 0 && entry->n_packed != entry->n_bytes))
        return damaged(zip, "an entry is longer than the archive", error);
    return STATUS_OK;
}

static enum status find_range(struct zip *zip, const char *name, const char *suffix, struct stream_range *ret,
                              struct error *error)
{
    TRY(find_directory(zip, error));
    if (zip->n_directory_bytes > DIRECTORY_BYTES_MAX)
        return damaged(zip, "its table of contents is too long", error);
    cleanup_free unsigned char *directory = memory_alloc((size_t)zip->n_directory_bytes);
    if (!directory)
        return error_no_memory(error, (size_t)zip->n_directory_bytes);
    TRY(read_at(zip, zip->first, directory, (size_t)zip->n_directory_bytes,
                "its table of contents is not where it says", error));
    struct bytes names = BYTES_INIT;
    struct entry entry = {0};
    enum status status = find_entry(zip, directory, name, suffix, &names, &entry, error);
    bytes_release(&names);
    return status == STATUS_OK ? locate(zip, &entry, ret, error) : status;
}

enum status zip_open_entry(struct stream **ret, const char *path, const char *name, const char *suffix,
                           struct error *error)
{
    struct zip zip = {.path = path, .fd = -1};
    struct stream_range range = {0};
    TRY(stream_open_file(&zip.fd, path, &zip.n_bytes, error));
    enum status status = find_range(&zip, name, suffix, &range, error);
    cleanup_free char *label = memory_format("%s:%s", path, name);
    if (status == STATUS_OK && !label)
        status = error_no_memory(error, strlen(path));
    if (status != STATUS_OK) {
        close(zip.fd);
        return status;
    }
    range.name = label;
    return stream_open_range(ret, zip.fd, &range, error);
}
