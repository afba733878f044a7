#include "base/bytes.h"
#include "base/memory.h"
#include "learner/peers_hash.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { N = 1000003, N_HASHED = N - 7 };

static float *values;
static struct bytes header;
static struct pool *pool;
static atomic_bool has_ended;

static void ended(void *user)
{
    atomic_store((atomic_bool *)user, true);
}

static struct peers_hash *start(size_t n_threads, bool wants_sha256)
{
    struct peers_hash *hash = NULL;
    struct error error = ERROR_INIT;
    values = memory_floats(N);
    for (size_t i = 0; i < N; i++)
        values[i] = (float)i / 7;
    bytes_text(&header, "a header");
    cr_assert_eq(pool_new(&pool, n_threads, "test", &error), STATUS_OK, "%s", error.message);
    const struct peers_hash_options options = {.values = values,
                                               .n_values = N,
                                               .header = wants_sha256 ? &header : NULL,
                                               .n_hashed = N_HASHED,
                                               .pool = pool,
                                               .ended = ended,
                                               .user = &has_ended};
    cr_assert_eq(peers_hash_new(&hash, &options, &error), STATUS_OK, "%s", error.message);
    return hash;
}

static void stop(struct peers_hash *hash)
{
    pool_free(pool);
    peers_hash_free(hash);
    bytes_release(&header);
    memory_free(values);
}

static void end(struct peers_hash *hash)
{
    if (!peers_hash_end(hash))
        while (!atomic_load(&has_ended)) // the suite has a time limit
            usleep(100);
}

static void check_names(struct peers_hash *hash, bool has_sha256)
{
    char digest[DIGEST_HEX_BYTES], sha256[SHA256_HEX_BYTES], expected[SHA256_HEX_BYTES];
    uint8_t raw[SHA256_BYTES];
    struct sha256 *whole = sha256_new();
    sha256_add(whole, header.data, header.n);
    sha256_add(whole, values, N_HASHED * sizeof *values);
    sha256_finish(whole, raw);
    sha256_free(whole);
    sha256_hex(raw, expected);
    peers_hash_names(hash, digest, sha256);
    cr_expect_str_eq(sha256, has_sha256 ? expected : "");
    digest_hex(digest_of(values, N * sizeof *values), expected);
    cr_expect_str_eq(digest, expected);
}

static void settle(struct peers_hash *hash, size_t from, size_t to, size_t step)
{
    for (size_t first = from; first < to; first += step)
        peers_hash_settled(hash, first, to - first < step ? to - first : step);
}

TestSuite(peers_hash, .timeout = 60);

Test(peers_hash, names_what_settled_from_the_first_value_on)
{
    for (size_t n_threads = 1; n_threads <= 2; n_threads++) {
        atomic_store(&has_ended, false);
        struct peers_hash *hash = start(n_threads, true);
        settle(hash, 0, N, 10000);
        end(hash);
        check_names(hash, true);
        stop(hash);
    }
}

Test(peers_hash, names_what_settled_in_another_order)
{
    struct peers_hash *hash = start(2, true);
    settle(hash, 600000, N, 65536);
    settle(hash, 0, 200000, 50000);
    settle(hash, 200000, 600000, 400000);
    end(hash);
    check_names(hash, true);
    stop(hash);
}

Test(peers_hash, names_what_settled_by_odd_numbers)
{
    struct peers_hash *hash = start(1, true);
    settle(hash, 0, N, 33333);
    end(hash);
    check_names(hash, true);
    stop(hash);
}

Test(peers_hash, without_a_sha256_nothing_is_left_to_do)
{
    struct peers_hash *hash = start(1, false);
    settle(hash, 0, N, 65536);
    cr_expect(peers_hash_end(hash));
    check_names(hash, false);
    stop(hash);
}

Test(peers_hash, ends_early_when_the_exchange_does)
{
    struct peers_hash *hash = start(1, true);
    settle(hash, 0, N / 2, 65536);
    end(hash);
    stop(hash);
}
