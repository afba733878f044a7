// A codec: how float32 values, of a summary or of a model, become bytes on the wire, and back.
#pragma once

#include "base/philox.h"
#include "base/registry.h"
#include "nn/tensor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One summary, or model, as both sides know it before a byte is sent.
struct codec_frame {
    size_t n_values;
    const struct layout *layout; // tensors of its first vector, which others like it may follow; NULL: none
    struct random_key key;       // seed, learner and round: keys what a codec draws
    bool feedback; // what is lost is added to the next summary: then a small error counts, else to be right
                   // in the mean
};

struct choice; // config/fields.h

struct codec_kind {
    struct kind kind;
    bool identity; // the bytes are the values themselves: sent and folded in place; no function but the first
    bool exact;    // what comes back is what was given, bit for bit
    bool unbiased; // without feedback, the mean of what comes back, over its draws, is what was given
    bool wants_difference; // what it makes of whole weights is no model, only what it makes of a difference
    // Codes the difference from what the receiver has, with this codec; NULL: codes what it is given.
    const struct choice *(*of)(const void *options);
    // Bytes that a frame's values take, always the same.
    size_t (*encoded_bytes)(const void *options, const struct codec_frame *frame);
    // Encodes `values` [n_values] into `ret` [encoded_bytes]. RESOURCE_EXHAUSTED when out of memory.
    enum status (*encode)(const void *options, const struct codec_frame *frame, const float *values,
                          uint8_t *ret, struct error *error);
    // Whether `encoded` [encoded_bytes], which may come from anybody, can be decoded; NULL: any bytes can.
    enum status (*check)(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                         struct error *error);
    // How many values, from the first on, the first `n_bytes` bytes, fewer than all, can be decoded to
    // without a check; NULL: none.
    size_t (*ready)(const void *options, const struct codec_frame *frame, size_t n_bytes);
    // Values [first, first + n) of checked bytes; ranges in any order. What was not finite may come back as
    // anything, also not finite.
    void (*decode)(const void *options, const struct codec_frame *frame, const uint8_t *encoded, size_t first,
                   size_t n, float *ret);
};

extern const struct registry codecs;
