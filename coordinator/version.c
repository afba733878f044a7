#include "coordinator/version.h"
#include "base/memory.h"
#include "store/safetensors.h"
#include <stdatomic.h>

struct counted {
    struct version version; // first: a version is its counted block
    atomic_uint references;
};

static struct counted *counted(const struct version *version)
{
    return (struct counted *)(uintptr_t)version;
}

enum status version_new(struct version **ret, const struct layout *layout, size_t n_shared, size_t n_values,
                        struct error *error)
{
    struct counted *block = memory_zalloc(sizeof *block);
    if (!block)
        return error_no_memory(error, sizeof *block);
    atomic_init(&block->references, 1);
    block->version.n_model = layout->n_parameters;
    block->version.n_shared = n_shared;
    block->version.n_values = n_values;
    block->version.values = memory_floats(n_values);
    enum status status = block->version.values ? safetensors_header(layout, &block->version.header, error)
                                               : error_no_memory(error, n_values * sizeof(float));
    if (status != STATUS_OK)
        version_unref(&block->version);
    else
        *ret = &block->version;
    return status;
}

struct version *version_ref(struct version *version)
{
    atomic_fetch_add_explicit(&counted(version)->references, 1, memory_order_relaxed);
    return version;
}

struct version *version_unref(struct version *version)
{
    if (!version || atomic_fetch_sub_explicit(&counted(version)->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    bytes_release(&version->header);
    memory_free(version->values);
    return memory_free(version);
}

void version_release(void *version)
{
    version_unref(version);
}

bool version_unshared(const struct version *version)
{
    return atomic_load_explicit(&counted(version)->references, memory_order_acquire) == 1;
}

// ---- its names ------------------------------------------------------------------------------------------

enum { ID_RANGE_VALUES = 1 << 18 };

struct identifying {
    const struct version *version;
    atomic_uint_fast64_t sum;
};

static void identify_range(void *user, size_t first, size_t n)
{
    struct identifying *it = user;
    const float *values = it->version->values + first;
    atomic_fetch_add_explicit(&it->sum, digest_part(first * sizeof *values, values, n * sizeof *values),
                              memory_order_relaxed);
}

void version_identify(struct version *version, struct pool *pool)
{
    struct identifying it = {.version = version};
    size_t n = version->n_shared;
    if (pool && n > ID_RANGE_VALUES)
        pool_for(pool, n, ID_RANGE_VALUES, identify_range, &it);
    else
        identify_range(&it, 0, n);
    digest_hex(digest_close(it.sum, n * sizeof(float)), version->id);
}

enum status version_hash(const struct version *version, uint8_t ret[SHA256_BYTES], struct error *error)
{
    struct sha256 *hash = sha256_new();
    if (!hash)
        return error_no_memory(error, 64);
    sha256_add(hash, version->header.data, version->header.n);
    sha256_add(hash, version->values, version->n_model * sizeof(float));
    sha256_finish(hash, ret);
    sha256_free(hash);
    return STATUS_OK;
}
