// Who takes a gradient part by part as it is made, while it is in the cache.
#pragma once

#include <stddef.h>

struct columns; // nn/columns.h

struct gradient_sink {
    // The gradient [n] of the parameters from `offset` on, each once a pass. The pass reads those parameters
    // no more, so that they may be changed; `gradient` is valid during the call.
    void (*take)(void *user, size_t offset, size_t n, const float *gradient);
    // NULL: only whole ones are taken. The same of n_rows rows of parameters whose gradient is zero but for
    // some columns, which are the first of `gathered` [n_rows, width].
    void (*take_columns)(void *user, size_t offset, const struct columns *columns, size_t n_rows,
                         const float *gathered, size_t width);
    void *user;
};
