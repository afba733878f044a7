// What conv2d.c (options, plan, Y, dW) and conv2d_input.c (dX) share.
#pragma once

#include "nn/patches.h"
#include "nn/window.h"

enum { CONV2D_BLOCK = 256 }; // pixels multiplied before they are transposed

// Where each part of the working space stands, in floats. Only the backward pass uses those from `sums` on
// that start with d.
struct conv2d_work {
    size_t taps, pixels, image, weights, sums;   // of the forward product
    size_t d_weights;                            // [taps, width(filters)]
    size_t d_taps, d_pixels, d_image, d_filters; // of the products for dX
    size_t d_places;                             // the input's pixels in the order of d_pixels
    size_t total;
};

struct conv2d {
    struct window window;
    size_t filters, n_taps, n_pixels; // taps: channels x kernel; pixels: of the output
    size_t d_extent[2];               // of dY padded, so that every pixel and tap of dX's products is there
    size_t n_d_taps, n_d_pixels;      // taps: filters x kernel; pixels: of the input
    size_t width, d_width;            // filters and channels, rounded up to whole vectors
    struct conv2d_work work;
};

// Where an image's pixels go in a wider one: pixel (y, x) to (y + from[0], x + from[1]); those outside are
// dropped.
struct conv2d_spread {
    size_t input[2], output[2];
    ptrdiff_t from[2];
};

void conv2d_spread(const struct conv2d_spread *spread, size_t channels, const float *image, float *ret);

// ret [n_filters, n_columns] = transpose(P) * right, transposed; P has pixels as its columns, taken by
// blocks.
void conv2d_multiply(const struct patches *all, size_t width, const float *right, float *sums,
                     size_t n_filters, float *ret);

// Extent of the padded dY that dX's products read.
size_t conv2d_d_extent(const struct window *window, int axis);
// For dX: lists, weights, and zeros where no sample writes. Once a pass.
void conv2d_open_input_gradient(const struct conv2d *conv, const float *weights, float *shared);
// One sample's dX.
void conv2d_input_gradient(const struct conv2d *conv, float *shared, const float *output_gradient,
                           float *ret);
