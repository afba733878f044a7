// The three products of a fully connected layer. X: [batch, inputs], W: [units, inputs], Y: [batch, units].
// Batches of training are small and weights large, so OpenBLAS spends a tenth to a third of its time on
// packing the weights; here they are read where they lie (nn/patches.h), and OpenBLAS takes what is large.
// Inputs that are zero in the whole batch, as an image's margins or words that do not occur, are passed over:
// their products are zero, so with finite weights the sums are the same to the bit.
#pragma once

#include "nn/gradient_sink.h"
#include <stddef.h>

struct linear {
    size_t batch, inputs, units;
    float *shared; // [linear_shared_floats], working space
};

size_t linear_shared_floats(size_t inputs, size_t units);

// Y = X W'
void linear_forward(const struct linear *linear, const float *x, const float *w, float *ret_y);
// dW = dY' X. With a sink (NULL: none) it is handed on in blocks of units, W being the parameters from
// `offset` on, and ret_dw is overwritten.
void linear_weight_gradient(const struct linear *linear, const float *x, const float *dy, float *ret_dw,
                            const struct gradient_sink *sink, size_t offset);
// dX = dY W
void linear_input_gradient(const struct linear *linear, const float *w, const float *dy, float *ret_dx);
