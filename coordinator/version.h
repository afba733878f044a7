// A committed round's model in memory, shared by the streams that send it: counted references, never changed
// while shared.
#pragma once

#include "base/bytes.h"
#include "base/digest.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "nn/tensor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct version {
    uint32_t round;  // 0: the initial model
    size_t n_model;  // values of the model, the first ones
    size_t n_shared; // that learners fetch: the model's, and what the algorithm sends along
    size_t n_values; // all of them: the last ones stay with the coordinator
    float *values;
    struct bytes header;       // of the model's safetensors file
    char id[DIGEST_HEX_BYTES]; // of the shared values: what learners know the model by; empty: not told yet
    bool hashed;               // `sha256` is known; guarded by whoever shares the version
    uint8_t sha256[SHA256_BYTES]; // of that file
};

// A version of `layout` with zeroed values and one reference; the layout's values come first.
enum status version_new(struct version **ret, const struct layout *layout, size_t n_shared, size_t n_values,
                        struct error *error);
struct version *version_ref(struct version *version);
struct version *version_unref(struct version *version); // returns NULL
void version_release(void *version);                    // version_unref as a callback
// True when the caller's reference is the only one.
bool version_unshared(const struct version *version);
// Names it by its shared values, in `pool`, or where that is NULL here.
void version_identify(struct version *version, struct pool *pool);
// The SHA-256 of the safetensors file that header and values make.
enum status version_hash(const struct version *version, uint8_t ret[SHA256_BYTES], struct error *error);
