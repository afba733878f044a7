// The shape of a tensor or a sample.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SHAPE_RANK_MAX = 4 };

// Extents, outermost first; a sample's shape leaves the batch out: [784], or [channels, height, width].
struct shape {
    unsigned int rank;
    size_t extents[SHAPE_RANK_MAX];
};

size_t shape_size(const struct shape *shape); // product of the extents; 1 for rank 0
bool shape_equal(const struct shape *a, const struct shape *b);
// "[1, 28, 28]", cut to fit.
void shape_format(const struct shape *shape, char *ret, size_t bytes);
