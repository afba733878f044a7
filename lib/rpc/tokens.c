// Join tokens. A token is "cohort.ID.SECRET"; of it only the SHA-256 is kept. The file has a line a record:
// ID ROLE NAME CREATED EXPIRES REVOKED HASH, times in seconds since 1970.
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "rpc/security.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES = 32, ID_RANDOM_BYTES = 6, TOKENS_FILE_BYTES_MAX = 64 << 20 };

static void hex(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static bool unhex(const char *text, uint8_t *ret, size_t n)
{
    if (strlen(text) != 2 * n || strspn(text, "0123456789abcdef") != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned int value = 0;
        sscanf(text + 2 * i, "%2x", &value);
        ret[i] = (uint8_t)value;
    }
    return true;
}

static bool read_line(char *line, struct token_record *ret)
{
    char role[16], digest[65];
    int end = -1;
    *ret = (struct token_record){0};
    int n = sscanf(line, "%16s %15s %63s %" SCNd64 " %" SCNd64 " %" SCNd64 " %64s%n", ret->id, role,
                   ret->identity.name, &ret->created_s, &ret->expires_s, &ret->revoked_s, digest, &end);
    ret->identity.role = role_of_name(role, n >= 2 ? strlen(role) : 0);
    return n == 7 && !line[end] && unhex(digest, ret->hash, sizeof ret->hash) &&
           identity_check(&ret->identity, NULL) == STATUS_OK;
}

static enum status read_lines(const char *path, char *text, struct token_record *records, size_t *ret_n,
                              struct error *error)
{
    char *rest = text;
    size_t number = 0, n = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        number++;
        if (!*line)
            continue;
        if (!read_line(line, &records[n++]))
            return error_set(error, STATUS_DATA_LOSS,
                             "%s:%zu: this line is no token's record; restore the file or remove the line",
                             path, number);
    }
    *ret_n = n;
    return STATUS_OK;
}

enum status token_list(const char *path, struct token_record **ret, size_t *ret_n, struct error *error)
{
    struct bytes text = BYTES_INIT;
    size_t n_lines = 1;
    *ret = NULL;
    *ret_n = 0;
    if (!file_exists(path))
        return STATUS_OK;
    TRY(bytes_read_file(&text, path, TOKENS_FILE_BYTES_MAX, error));
    for (size_t i = 0; i < text.n; i++)
        n_lines += text.data[i] == '\n';
    struct token_record *records = memory_array(n_lines, sizeof *records);
    enum status status = records ? STATUS_OK : error_no_memory(error, n_lines * sizeof *records);
    if (status == STATUS_OK && text.n)
        status = read_lines(path, text.data, records, ret_n, error);
    bytes_release(&text);
    if (status != STATUS_OK)
        memory_free(records);
    else
        *ret = records;
    return status;
}

static enum status write_all(const char *path, const struct token_record *records, size_t n,
                             struct error *error)
{
    struct bytes text = BYTES_INIT;
    char digest[SHA256_HEX_BYTES];
    for (size_t i = 0; i < n; i++) {
        const struct token_record *record = &records[i];
        sha256_hex(record->hash, digest);
        bytes_format(&text, "%s %s %s %" PRId64 " %" PRId64 " %" PRId64 " %s\n", record->id,
                     role_name(record->identity.role), record->identity.name, record->created_s,
                     record->expires_s, record->revoked_s, digest);
    }
    enum status status = text.failed ? error_no_memory(error, text.n)
                                     : file_write(path, text.data ? text.data : "", text.n, true, error);
    bytes_release(&text);
    return status;
}

// One writer at a time.
static enum status lock(const char *path, int *ret, struct error *error)
{
    cleanup_free char *name = memory_format("%s.lock", path);
    if (!name)
        return error_no_memory(error, strlen(path));
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(error, errno, "cannot lock", name);
    if (flock(fd, LOCK_EX)) {
        int number = errno;
        close(fd);
        return error_errno(error, number, "cannot lock", name);
    }
    *ret = fd;
    return STATUS_OK;
}

static enum status draw(struct token_record *record, char ret_token[TOKEN_BYTES], struct error *error)
{
    uint8_t random[ID_RANDOM_BYTES + SECRET_BYTES];
    char secret[2 * SECRET_BYTES + 1];
    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(error, STATUS_INTERNAL, "libcrypto has no random bytes; try again");
    hex(random, ID_RANDOM_BYTES, record->id);
    hex(random + ID_RANDOM_BYTES, SECRET_BYTES, secret);
    snprintf(ret_token, TOKEN_BYTES, "cohort.%s.%s", record->id, secret);
    sha256_of(ret_token, strlen(ret_token), record->hash);
    OPENSSL_cleanse(random, sizeof random);
    OPENSSL_cleanse(secret, sizeof secret);
    return STATUS_OK;
}

static enum status add(const char *path, const struct token_record *record, struct error *error)
{
    cleanup_free struct token_record *records = NULL;
    size_t n;
    TRY(token_list(path, &records, &n, error));
    struct token_record *more = memory_resize(records, n + 1, sizeof *more);
    if (!more)
        return error_no_memory(error, (n + 1) * sizeof *more);
    records = more;
    records[n] = *record;
    return write_all(path, records, n + 1, error);
}

enum status token_create(const char *path, const struct identity *identity, int64_t lifetime_s,
                         char ret_token[TOKEN_BYTES], struct error *error)
{
    int64_t now_s = clock_unix_ms() / 1000;
    struct token_record record = {
        .identity = *identity, .created_s = now_s, .expires_s = lifetime_s ? now_s + lifetime_s : 0};
    int fd;
    TRY(identity_check(identity, error));
    TRY(draw(&record, ret_token, error));
    TRY(lock(path, &fd, error));
    mode_t mask = umask(0077);
    enum status status = add(path, &record, error);
    umask(mask);
    close(fd);
    return status;
}

static enum status mark_revoked(const char *path, const char *id, struct error *error)
{
    cleanup_free struct token_record *records = NULL;
    size_t n;
    TRY(token_list(path, &records, &n, error));
    bool found = false;
    for (size_t i = 0; i < n; i++) { // every line of it, should a hand have copied one
        if (strcmp(records[i].id, id) != 0)
            continue;
        found = true;
        if (!records[i].revoked_s)
            records[i].revoked_s = clock_unix_ms() / 1000;
    }
    if (found)
        return write_all(path, records, n, error);
    return error_set(error, STATUS_NOT_FOUND, "there is no token '%s' in '%s'; list them", id, path);
}

enum status token_revoke(const char *path, const char *id, struct error *error)
{
    int fd;
    TRY(lock(path, &fd, error));
    mode_t mask = umask(0077);
    enum status status = mark_revoked(path, id, error);
    umask(mask);
    close(fd);
    return status;
}

enum status token_check(const struct token_record *records, size_t n, const char *token, int64_t now_s,
                        struct identity *ret, struct error *error)
{
    uint8_t hash[SHA256_BYTES];
    const struct token_record *found = NULL;
    sha256_of(token, strlen(token), hash);
    for (size_t i = 0; i < n; i++) // all of them, whichever it is
        if (CRYPTO_memcmp(hash, records[i].hash, sizeof hash) == 0)
            found = &records[i];
    if (!found)
        return error_set(error, STATUS_UNAUTHENTICATED,
                         "the join token is not known here; ask the coordinator's operator for one");
    if (found->revoked_s)
        return error_set(error, STATUS_UNAUTHENTICATED,
                         "join token '%s' was revoked; ask the coordinator's operator for another",
                         found->id);
    if (found->expires_s && now_s >= found->expires_s)
        return error_set(error, STATUS_UNAUTHENTICATED,
                         "join token '%s' has expired; ask the coordinator's operator for another",
                         found->id);
    *ret = found->identity;
    return STATUS_OK;
}
