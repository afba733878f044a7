// What names the model that an exchange in a ring ends with, its digest and its SHA-256, made of the values
// as they become final, beside the exchange.
#pragma once

#include "base/digest.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/sha256.h"
#include <stdbool.h>
#include <stddef.h>

struct bytes;
struct peers_hash;

struct peers_hash_options {
    const float *values; // [n_values], what becomes final; valid until the end
    size_t n_values;
    // Of the SHA-256: of a safetensors file of this header and the first n_hashed values; NULL: none is
    // wanted.
    const struct bytes *header; // copied
    size_t n_hashed;
    struct pool *pool; // hashes
    void (*ended)(void *user);
    void *user;
};

enum status peers_hash_new(struct peers_hash **ret, const struct peers_hash_options *options,
                           struct error *error);
// `n` values from `first` on are final; each is told once. From any thread, one at a time.
void peers_hash_settled(struct peers_hash *hash, size_t first, size_t n);
// No more will be told. True when nothing is under way any more; else `ended` is called in the pool once that
// is so.
bool peers_hash_end(struct peers_hash *hash);
// After the end, with all values final: both names, the second one empty when it is not wanted.
void peers_hash_names(struct peers_hash *hash, char ret_digest[DIGEST_HEX_BYTES],
                      char ret_sha256[SHA256_HEX_BYTES]);
struct peers_hash *peers_hash_free(struct peers_hash *hash); // after the end, or before anything was told
