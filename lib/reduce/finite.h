// Looks for values that are no numbers.
#pragma once

#include <stddef.h>

// The index of the first of x[n] that is a NaN or an infinity; n when there is none.
size_t first_not_finite(const float *x, size_t n);
