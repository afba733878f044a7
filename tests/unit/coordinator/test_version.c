#include "base/sha256.h"
#include "coordinator/version.h"
#include <criterion/criterion.h>
#include <string.h>

static struct tensor tensor = {.name = "weights", .shape = {.rank = 1, .extents = {6}}};
static const struct layout layout = {.n_parameters = 6, .tensors = &tensor, .n_tensors = 1};

static struct version *open_version(void)
{
    struct version *version = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(version_new(&version, &layout, 6, 6, &error), STATUS_OK, "%s", error.message);
    return version;
}

Test(version, starts_zeroed_with_one_reference)
{
    struct version *version = open_version();
    cr_assert_eq(version->n_values, 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(version->values[i], 0.0f);
    cr_assert(version_unshared(version));
    cr_assert_null(version_unref(version));
}

Test(version, is_shared_while_a_stream_holds_a_chunk_of_it)
{
    struct version *version = open_version();
    version_ref(version);
    cr_assert_not(version_unshared(version));
    version_release(version);
    cr_assert(version_unshared(version));
    version_unref(version);
    cr_assert_null(version_unref(NULL));
}

Test(version, hashes_the_file_that_header_and_values_make)
{
    struct version *version = open_version();
    uint8_t found[SHA256_BYTES], expected[SHA256_BYTES];
    char file[4096];
    version->values[3] = 1.5f;
    cr_assert_leq(version->header.n + 24, sizeof file);
    memcpy(file, version->header.data, version->header.n);
    memcpy(file + version->header.n, version->values, 24);
    sha256_of(file, version->header.n + 24, expected);
    cr_assert_eq(version_hash(version, found, NULL), STATUS_OK);
    cr_assert_eq(memcmp(found, expected, sizeof found), 0);
    version->values[3] = 2.5f;
    cr_assert_eq(version_hash(version, found, NULL), STATUS_OK);
    cr_assert_neq(memcmp(found, expected, sizeof found), 0);
    version_unref(version);
}

Test(version, has_the_same_id_for_the_same_values_however_many_threads_made_it)
{
    enum { N = 3 << 20 };
    struct tensor large = {.name = "weights", .shape = {.rank = 1, .extents = {N}}};
    const struct layout many = {.n_parameters = N, .tensors = &large, .n_tensors = 1};
    struct version *version = NULL;
    struct pool *pool = NULL;
    char alone[DIGEST_HEX_BYTES];
    struct error error = ERROR_INIT;
    cr_assert_eq(version_new(&version, &many, N - 5, N, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(pool_new(&pool, 3, "work", &error), STATUS_OK, "%s", error.message);
    for (size_t i = 0; i < N; i++)
        version->values[i] = (float)i;
    version_identify(version, NULL);
    memcpy(alone, version->id, sizeof alone);
    version_identify(version, pool);
    cr_expect_str_eq(version->id, alone);
    version->values[N - 1] = -1; // stays with the coordinator
    version_identify(version, pool);
    cr_expect_str_eq(version->id, alone);
    version->values[N - 6] = -1;
    version_identify(version, pool);
    cr_expect_str_neq(version->id, alone);
    pool_free(pool);
    version_unref(version);
}
