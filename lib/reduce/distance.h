// Distances between vectors, whose bytes depend neither on the processor's vector width nor on threads.
#pragma once

#include <stddef.h>

// The sum of (a[i] - b[i])^2 in double, over 16 partial sums in a fixed order.
double squared_distance(const float *a, const float *b, size_t n);
