// The fixed-point ring: numbers as 64-bit integers, whose sum does not depend on its order. So a mean over
// learners is the same bytes whoever comes first, however the work is split, and in one stage (star) or
// several (tree).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One unit is 2^-36. A term must stay below 2^15 in size, so 2^12 terms fit into 63 bits with room to spare.
enum { RING_FRACTION_BITS = 36, RING_TERM_BITS = 15, RING_TERMS_MAX = 1 << 12 };

// sum[i] += round(x[i] * scale * 2^36), to nearest, ties to even. False (and sum[0, n) partly or wholly
// unchanged in meaning: discard it or call ring_check first) when a term is not finite or out of range.
bool ring_fold(int64_t *restrict sum, const float *restrict x, size_t n, double scale);

// True when every term x[i] * scale is finite and in range; the cause of a refusal otherwise.
enum ring_fault { RING_FINE, RING_NOT_FINITE, RING_OUT_OF_RANGE };
enum ring_fault ring_check(const float *x, size_t n, double scale);

// mean[i] = sum[i] * 2^-36 / total, in double, rounded once to float.
void ring_mean(float *restrict mean, const int64_t *restrict sum, size_t n, double total);
