// Whole numbers with a scale a block: x is sent as q = round(x / scale), scale the block's largest size over
// the largest whole number (for instance Alistarh, Grubic, Li, Tomioka and Vojnovic, "QSGD", NeurIPS 2017,
// with the maximum norm a bucket). Rounding to nearest where there is error feedback, else up or down at
// random, so that the mean is right.
#pragma once

#include "config/fields.h"
#include "summary/codec.h"

struct quantize_options {
    int64_t block; // values that share a scale
};

// Quantizes values [n] of block number `block` to whole numbers in [-most, most]; the scale. The scale of a
// block that holds a value which is not finite is not finite.
float quantize_block(const struct codec_frame *frame, size_t block, const float *values, size_t n, int most,
                     int8_t *ret);
