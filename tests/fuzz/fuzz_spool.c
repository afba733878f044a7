// The file of an upload that was broken off, as a coordinator finds it in its state folder after a restart.
// What is accepted says whose it is in words that end, and hands out just the bytes that follow.
#include "base/memory.h"
#include "fuzz.h"
#include "store/spool.h"
#include <string.h>

struct walk {
    const uint8_t *bytes;
    uint64_t at, n;
};

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct walk *walk = user;
    fuzz_require(offset == walk->at && bytes <= walk->n - walk->at);
    fuzz_require(memcmp(walk->bytes + walk->at, run, bytes) == 0);
    walk->at += bytes;
    return true;
}

static void check(struct spool *spool, const uint8_t *data, size_t n)
{
    const struct spool_identity it = *spool_identity(spool);
    struct walk walk = {.bytes = data + SPOOL_HEADER_BYTES, .n = n - SPOOL_HEADER_BYTES};
    fuzz_require(spool_received(spool) == walk.n && walk.n <= it.bytes);
    fuzz_require(*it.learner && strlen(it.learner) < sizeof it.learner);
    fuzz_require(*it.codec && strlen(it.codec) < sizeof it.codec);
    fuzz_require(spool_replay(spool, take, &walk, NULL) == STATUS_OK && walk.at == walk.n);
    fuzz_require(spool_is_same(&it, spool_identity(spool)) == it.has_sha256);
}

// Its header, written again by who knows the hash, is read as the same.
static void write_again(struct spool *spool, const char *path)
{
    struct spool *again = NULL;
    struct spool_identity it = *spool_identity(spool);
    uint64_t received = spool_received(spool);
    it.has_sha256 = true;
    fuzz_require(spool_set_sha256(spool, it.sha256, NULL) == STATUS_OK);
    fuzz_require(spool_open(&again, path, NULL) == STATUS_OK);
    fuzz_require(spool_is_same(spool_identity(again), &it) && spool_received(again) == received);
    spool_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct spool *spool = NULL;
    struct error error = ERROR_INIT;
    const char *path = fuzz_file(0, data, n);
    if (spool_open(&spool, path, &error) == STATUS_OK) {
        check(spool, data, n);
        write_again(spool, path);
    } else {
        fuzz_require(error.status == STATUS_DATA_LOSS && error.message[0] && !spool);
    }
    spool_close(spool);
    return 0;
}
