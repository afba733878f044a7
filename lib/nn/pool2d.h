// What the pools share: options `size` and `stride`, and windows over each channel by itself.
#pragma once

#include "nn/window.h"

struct pool2d_options {
    struct int_list size, stride; // stride empty: windows side by side
};

extern const struct field pool2d_fields[];

enum status pool2d_check(const void *options, struct error *error);
// Output [channels, rows, columns]; the window is stored in the plan.
enum status pool2d_plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error);
