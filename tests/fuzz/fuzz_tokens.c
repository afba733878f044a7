// The file of join tokens, and a token that is shown: the input's first line; the rest is the file. With an
// odd first byte the file gets a good record of that token too, by whose words alone it is then let in.
#include "base/bytes.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "fuzz.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

enum { NOW_S = 1700000000 };

// Let in as the last record of it says, which is good.
static void check(const struct token_record *records, size_t n, const char *token)
{
    struct identity found = {0};
    struct error error = ERROR_INIT;
    uint8_t hash[SHA256_BYTES];
    sha256_of(token, strlen(token), hash);
    if (token_check(records, n, token, NOW_S, &found, &error) != STATUS_OK) {
        fuzz_require(error.status == STATUS_UNAUTHENTICATED && found.role == ROLE_NONE);
        return;
    }
    const struct token_record *of = NULL;
    for (size_t i = 0; i < n; i++)
        if (memcmp(records[i].hash, hash, sizeof hash) == 0)
            of = &records[i];
    fuzz_require(of && !of->revoked_s && (!of->expires_s || of->expires_s > NOW_S) &&
                 found.role == of->identity.role && strcmp(found.name, of->identity.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct token_record *records = NULL;
    struct error error = ERROR_INIT;
    struct bytes file = BYTES_INIT;
    uint8_t hash[SHA256_BYTES];
    char digest[SHA256_HEX_BYTES], token[TOKEN_BYTES];
    size_t n_records = 0;
    bool add = fuzz_byte(&data, &n) % 2;
    const uint8_t *end = n ? memchr(data, '\n', n) : NULL;
    size_t length = end ? (size_t)(end - data) : 0;
    snprintf(token, sizeof token, "%.*s", (int)(length < sizeof token ? length : 0), (const char *)data);
    sha256_of(token, strlen(token), hash);
    sha256_hex(hash, digest);
    if (add)
        bytes_format(&file, "0123456789ab learner site-a 1 0 0 %s\n", digest);
    bytes_append(&file, data + length, n - length);
    fuzz_require(!file.failed);
    if (token_list(fuzz_file(0, file.data, file.n), &records, &n_records, &error) == STATUS_OK) {
        fuzz_require(n_records >= add && n_records <= file.n);
        for (size_t i = 0; i < n_records; i++)
            fuzz_require(identity_check(&records[i].identity, NULL) == STATUS_OK);
        check(records, n_records, token);
    } else {
        fuzz_require(error.status == STATUS_DATA_LOSS && !records);
    }
    memory_free(records);
    bytes_release(&file);
    return 0;
}
