// Whole numbers with a scale a block: x is sent as q = round(x / scale), scale the block's largest size over
// the largest whole number (for instance Alistarh, Grubic, Li, Tomioka and Vojnovic, "QSGD", NeurIPS 2017,
// with the maximum norm a bucket). Rounding to nearest, or up or down at random so that the mean is right.
#pragma once

#include "config/fields.h"
#include "summary/codec.h"

enum rounding { ROUNDING_NEAREST, ROUNDING_STOCHASTIC };

struct quantize_options {
    int rounding;  // enum rounding
    int64_t block; // values that share a scale; even
};

extern const char *const rounding_words[];

// Quantizes values [n] of block number `block` to whole numbers in [-most, most]; the scale. The scale of a
// block that holds a value which is not finite is not finite.
float quantize_block(const struct quantize_options *options, const struct codec_frame *frame, size_t block,
                     const float *values, size_t n, int most, int8_t *ret);
