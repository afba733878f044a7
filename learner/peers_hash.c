#include "learner/peers_hash.h"
#include "base/bytes.h"
#include "base/memory.h"
#include <pthread.h>

enum { STEP_VALUES = 1 << 18 }; // hashed between two looks at what is final

struct peers_hash {
    struct peers_hash_options options;
    struct sha256 *sha256; // NULL: not wanted
    struct pool_job job;
    uint64_t digest;      // sum of the parts that began at whole words
    size_t n_digested;    // values in it
    size_t hashed;        // values that the SHA-256 has
    pthread_mutex_t lock; // guards the rest
    size_t settled;       // values from the first one on that are final
    bool posted;          // the job is queued or running
    bool ending;          // and tells of its end
};

static void hash_to(struct peers_hash *hash, size_t end)
{
    size_t most = hash->options.n_hashed;
    end = end < most ? end : most;
    if (hash->hashed < end)
        sha256_add(hash->sha256, hash->options.values + hash->hashed, (end - hash->hashed) * sizeof(float));
    hash->hashed = end > hash->hashed ? end : hash->hashed;
}

// What is to be hashed now, or that there is nothing: the job then ends.
static size_t next_step(struct peers_hash *hash, bool *ret_ends)
{
    pthread_mutex_lock(&hash->lock);
    size_t end = hash->settled < hash->options.n_hashed ? hash->settled : hash->options.n_hashed;
    hash->posted = hash->hashed < end && !hash->ending;
    *ret_ends = hash->ending;
    pthread_mutex_unlock(&hash->lock);
    return end - hash->hashed > STEP_VALUES ? hash->hashed + STEP_VALUES : end;
}

static void run(struct pool_job *job)
{
    struct peers_hash *hash = container_of(job, struct peers_hash, job);
    bool ends = false;
    for (;;) {
        size_t end = next_step(hash, &ends);
        if (ends)
            hash->options.ended(hash->options.user); // it is not ours any more
        if (ends || end == hash->hashed)
            return;
        hash_to(hash, end);
    }
}

enum status peers_hash_new(struct peers_hash **ret, const struct peers_hash_options *options,
                           struct error *error)
{
    struct peers_hash *hash = memory_zalloc(sizeof *hash);
    if (!hash)
        return error_no_memory(error, sizeof *hash);
    hash->options = *options;
    hash->job.run = run;
    pthread_mutex_init(&hash->lock, NULL);
    if (options->header) {
        hash->sha256 = sha256_new();
        if (!hash->sha256) {
            peers_hash_free(hash);
            return error_no_memory(error, SHA256_BYTES);
        }
        sha256_add(hash->sha256, options->header->data, options->header->n);
    }
    *ret = hash;
    return STATUS_OK;
}

void peers_hash_settled(struct peers_hash *hash, size_t first, size_t n)
{
    const struct peers_hash_options *options = &hash->options;
    bool whole_words = first * sizeof(float) % DIGEST_WORD_BYTES == 0 &&
                       (n * sizeof(float) % DIGEST_WORD_BYTES == 0 || first + n == options->n_values);
    if (whole_words) {
        hash->digest += digest_part(first * sizeof(float), options->values + first, n * sizeof(float));
        hash->n_digested += n;
    }
    pthread_mutex_lock(&hash->lock);
    if (hash->settled == first)
        hash->settled += n;
    bool post = hash->sha256 && !hash->posted && hash->settled == first + n;
    hash->posted = hash->posted || post;
    pthread_mutex_unlock(&hash->lock);
    if (post)
        pool_post(options->pool, &hash->job);
}

bool peers_hash_end(struct peers_hash *hash)
{
    pthread_mutex_lock(&hash->lock);
    hash->ending = hash->posted;
    bool idle = !hash->posted;
    pthread_mutex_unlock(&hash->lock);
    return idle;
}

void peers_hash_names(struct peers_hash *hash, char ret_digest[DIGEST_HEX_BYTES],
                      char ret_sha256[SHA256_HEX_BYTES])
{
    const struct peers_hash_options *options = &hash->options;
    size_t bytes = options->n_values * sizeof(float);
    digest_hex(hash->n_digested == options->n_values ? digest_close(hash->digest, bytes)
                                                     : digest_of(options->values, bytes),
               ret_digest);
    *ret_sha256 = '\0';
    if (!hash->sha256)
        return;
    uint8_t sha256[SHA256_BYTES];
    hash_to(hash, options->n_hashed);
    sha256_finish(hash->sha256, sha256);
    sha256_hex(sha256, ret_sha256);
}

struct peers_hash *peers_hash_free(struct peers_hash *hash)
{
    if (!hash)
        return NULL;
    sha256_free(hash->sha256);
    pthread_mutex_destroy(&hash->lock);
    return memory_free(hash);
}
