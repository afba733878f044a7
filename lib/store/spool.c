#include "store/spool.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20 };

struct spool {
    char *path;
    int fd;
    struct spool_identity identity;
    uint64_t received;
};

static enum status make(struct spool **ret, const char *path, int flags, struct error *error)
{
    struct spool *spool = memory_zalloc(sizeof *spool);
    if (!spool)
        return error_no_memory(error, sizeof *spool);
    spool->path = memory_copy_text(path);
    spool->fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    if (!spool->path || spool->fd < 0) {
        enum status status = error_errno(error, spool->path ? errno : ENOMEM, "cannot open", path);
        spool_close(spool);
        return status;
    }
    *ret = spool;
    return STATUS_OK;
}

struct spool *spool_close(struct spool *spool)
{
    if (!spool)
        return NULL;
    if (spool->fd >= 0)
        close(spool->fd);
    memory_free(spool->path);
    return memory_free(spool);
}

static enum status put(struct spool *spool, uint64_t at, const void *data, size_t n, struct error *error)
{
    int number = fault_step();
    if (number)
        return error_errno(error, number, "cannot write", spool->path);
    for (const char *bytes = data; n > 0;) {
        ssize_t written = pwrite(spool->fd, bytes, n, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_errno(error, written < 0 ? errno : EIO, "cannot write", spool->path);
        bytes += written;
        at += (uint64_t)written;
        n -= (size_t)written;
    }
    return STATUS_OK;
}

// ---- whose bytes these are ------------------------------------------------------------------------------

static enum status write_identity(struct spool *spool, struct error *error)
{
    const struct spool_identity *it = &spool->identity;
    char text[SPOOL_HEADER_BYTES] = "", sha256[SHA256_HEX_BYTES] = "-";
    if (it->has_sha256)
        sha256_hex(it->sha256, sha256);
    snprintf(text, sizeof text, "cohort-upload 1 %" PRIu32 " %s %s %" PRIu64 " %" PRIu64 " %s\n", it->round,
             it->learner, it->codec, it->weight, it->bytes, sha256);
    return put(spool, 0, text, sizeof text, error);
}

static bool read_hash(const char *text, struct spool_identity *ret)
{
    ret->has_sha256 = strcmp(text, "-") != 0;
    for (size_t i = 0; ret->has_sha256 && i < SHA256_BYTES; i++)
        if (sscanf(text + 2 * i, "%2hhx", &ret->sha256[i]) != 1)
            return false;
    return true;
}

static bool read_identity(struct spool *spool)
{
    struct spool_identity *it = &spool->identity;
    char text[SPOOL_HEADER_BYTES + 1] = "", sha256[SHA256_HEX_BYTES] = "";
    if (pread(spool->fd, text, SPOOL_HEADER_BYTES, 0) != SPOOL_HEADER_BYTES)
        return false;
    return sscanf(text, "cohort-upload 1 %" SCNu32 " %63s %31s %" SCNu64 " %" SCNu64 " %64s\n", &it->round,
                  it->learner, it->codec, &it->weight, &it->bytes, sha256) == 6 &&
           read_hash(sha256, it);
}

bool spool_is_same(const struct spool_identity *a, const struct spool_identity *b)
{
    return a->round == b->round && strcmp(a->learner, b->learner) == 0 && strcmp(a->codec, b->codec) == 0 &&
           a->weight == b->weight && a->bytes == b->bytes && a->has_sha256 && b->has_sha256 &&
           memcmp(a->sha256, b->sha256, SHA256_BYTES) == 0;
}

const struct spool_identity *spool_identity(const struct spool *spool)
{
    return &spool->identity;
}

uint64_t spool_received(const struct spool *spool)
{
    return spool->received;
}

enum status spool_set_sha256(struct spool *spool, const uint8_t sha256[SHA256_BYTES], struct error *error)
{
    spool->identity.has_sha256 = true;
    memcpy(spool->identity.sha256, sha256, SHA256_BYTES);
    return write_identity(spool, error);
}

// ---- opening --------------------------------------------------------------------------------------------

enum status spool_create(struct spool **ret, const char *path, const struct spool_identity *identity,
                         struct error *error)
{
    struct spool *spool = NULL;
    unlink(path);
    TRY(make(&spool, path, O_CREAT | O_EXCL, error));
    spool->identity = *identity;
    enum status status = write_identity(spool, error);
    if (status == STATUS_OK)
        *ret = spool;
    else
        spool_close(spool);
    return status;
}

enum status spool_open(struct spool **ret, const char *path, struct error *error)
{
    struct spool *spool = NULL;
    struct stat info;
    TRY(make(&spool, path, 0, error));
    bool good = read_identity(spool) && fstat(spool->fd, &info) == 0;
    uint64_t bytes = good ? (uint64_t)info.st_size - SPOOL_HEADER_BYTES : 0;
    if (!good || bytes > spool->identity.bytes) {
        spool_close(spool);
        return error_set(error, STATUS_DATA_LOSS, "'%s' is not an upload that was broken off", path);
    }
    spool->received = bytes;
    *ret = spool;
    return STATUS_OK;
}

// ---- the bytes ------------------------------------------------------------------------------------------

enum status spool_append(struct spool *spool, const void *data, size_t n, struct error *error)
{
    TRY(put(spool, SPOOL_HEADER_BYTES + spool->received, data, n, error));
    spool->received += n;
    return STATUS_OK;
}

enum status spool_replay(struct spool *spool,
                         bool (*take)(void *user, uint64_t offset, const uint8_t *run, size_t bytes),
                         void *user, struct error *error)
{
    cleanup_free uint8_t *block = memory_alloc(BLOCK_BYTES);
    if (!block)
        return error_no_memory(error, BLOCK_BYTES);
    for (uint64_t at = 0; at < spool->received;) {
        uint64_t left = spool->received - at;
        ssize_t n = pread(spool->fd, block, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES,
                          (off_t)(SPOOL_HEADER_BYTES + at));
        if (n <= 0)
            return error_errno(error, n < 0 ? errno : EIO, "cannot read", spool->path);
        if (!take(user, at, block, (size_t)n))
            return error_set(error, STATUS_ABORTED, "the bytes of '%s' were not taken", spool->path);
        at += (uint64_t)n;
    }
    return STATUS_OK;
}
