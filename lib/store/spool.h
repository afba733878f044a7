// A summary as far as it has come, in a file from which its upload goes on when the coordinator was killed.
// Nothing is synced: what the file holds after a crash of the machine is checked against the summary's
// SHA-256 once it is whole. Not thread-safe.
//
// A file: 512 bytes that say whose bytes these are (text, then zeros), then the bytes.
#pragma once

#include "base/error.h"
#include "base/sha256.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool;

enum { SPOOL_HEADER_BYTES = 512 };

// Whose summary it is. Two of the same identity hold the same bytes, as far as they go.
struct spool_identity {
    uint32_t round;
    char learner[64], codec[32];
    uint64_t weight, bytes; // bytes: of the whole summary
    bool has_sha256;        // else it is not known yet
    uint8_t sha256[SHA256_BYTES];
};

// A new file in the place of an older one.
enum status spool_create(struct spool **ret, const char *path, const struct spool_identity *identity,
                         struct error *error);
// One that is there, to be read and gone on with. DATA_LOSS when it is no such file.
enum status spool_open(struct spool **ret, const char *path, struct error *error);
struct spool *spool_close(struct spool *spool); // leaves the file

const struct spool_identity *spool_identity(const struct spool *spool);
uint64_t spool_received(const struct spool *spool);
bool spool_is_same(const struct spool_identity *a, const struct spool_identity *b); // both with their hash
// The hash is known by now.
enum status spool_set_sha256(struct spool *spool, const uint8_t sha256[SHA256_BYTES], struct error *error);
enum status spool_append(struct spool *spool, const void *data, size_t n, struct error *error);
// Hands out what the file holds, in order, until `take` returns false (then ABORTED).
enum status spool_replay(struct spool *spool,
                         bool (*take)(void *user, uint64_t offset, const uint8_t *run, size_t bytes),
                         void *user, struct error *error);
