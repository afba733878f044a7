// A codec: how a summary's float32 values become bytes on the wire, and back, range by range.
#pragma once

#include "base/registry.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec_kind {
    struct kind kind;
    bool identity; // the bytes are the values themselves: sent and folded in place
    // Bytes that `n_values` take.
    size_t (*encoded_bytes)(const void *options, size_t n_values);
    // Encodes all of `values` into `ret` [encoded_bytes]. NULL when identity.
    void (*encode)(const void *options, const float *values, size_t n_values, uint8_t *ret);
    // Decodes the encoded bytes [offset, offset + bytes) into values; tells which. NULL when identity.
    enum status (*decode)(const void *options, size_t n_values, size_t offset, const uint8_t *encoded,
                          size_t bytes, size_t *ret_first, size_t *ret_n, float *ret, struct error *error);
};

extern const struct registry codecs;
