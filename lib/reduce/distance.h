// Distances between vectors, whose bytes depend neither on the processor's vector width nor on threads.
#pragma once

#include <stddef.h>

// The sum of (a[i] - b[i])^2 in double, over 16 partial sums in a fixed order.
double squared_distance(const float *a, const float *b, size_t n);

// The same of values [n], which stand at `first` of their vector, from `reference` [n_reference] and, beyond
// that, from zero; n at most DISTANCE_TILE. The sum over a whole vector's tiles is the same bytes wherever
// the vector lies.
enum { DISTANCE_TILE = 4096 };
double squared_distance_at(const float *values, size_t first, size_t n, const float *reference,
                           size_t n_reference);
