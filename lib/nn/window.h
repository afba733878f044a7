// Where a window stands on an image: the geometry that convolutions and pools share.
#pragma once

#include "base/error.h"
#include "base/shape.h"
#include "config/fields.h"
#include "nn/layer.h"

enum window_padding { WINDOW_VALID, WINDOW_SAME };

// Pairs are [height, width]. Made only of size_t: a plan keeps it in its integers.
struct window {
    size_t channels;
    size_t input[2], kernel[2], stride[2];
    size_t before[2]; // rows and columns of padding above and left of the input
    size_t output[2];
    size_t padded[2]; // the part of the padded input that some window covers
};

// As written in a layer's options; `pad` and `stride` may be empty: no padding, and windows that do not
// overlap.
struct window_options {
    enum window_padding padding;
    const struct int_list *kernel, *stride, *pad;
    const char *kernel_name; // the option's, for errors
};

// Lists must hold one number or [height, width].
enum status window_check(const struct window_options *options, struct error *error);
// Input [channels, height, width], or [height, width] for one channel. SAME: output = ceil(input / stride),
// with the odd row or column of padding at the end. Fails when the kernel is larger than the padded input.
enum status window_plan(const struct window_options *options, const struct shape *input, struct window *ret,
                        struct error *error);

void window_store(const struct window *window, struct layer_plan *ret);
struct window window_of(const struct layer_plan *plan);
