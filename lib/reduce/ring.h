// The fixed-point ring: numbers as 64-bit integers, whose sum does not depend on its order. So a mean over
// learners is the same bytes whoever comes first, however the work is split, and in one stage (star) or
// several (tree).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One unit is 2^-36. A term stays below 2^15 in size, that is at most 2^51 - 1 units, so 2^12 terms fit into
// 63 bits.
enum { RING_FRACTION_BITS = 36, RING_TERM_BITS = 15, RING_TERMS_MAX = 1 << 12 };

// sum[i] += round(x[i] * scale * 2^36), the product in double, to nearest, ties to even. False when a term is
// not finite or out of range: then `sum` is as it was. A fold with -scale takes a fold with scale back
// exactly. `x` holds floats at any address, as bytes that were received.
bool ring_fold(int64_t *restrict sum, const void *restrict x, size_t n, double scale);

// What is wrong with the first bad term x[i] * scale, and with `ret_index` (may be NULL) which it is; the
// cause of a refusal.
enum ring_fault { RING_FINE, RING_NOT_FINITE, RING_OUT_OF_RANGE };
enum ring_fault ring_check(const void *values, size_t n, double scale, size_t *ret_index);

// sum[i] += x[i], where x holds the sums of `n_terms` folds, as another ring's. False when one is larger in
// size than so many terms can be: then `sum` is as it was. ring_take takes such an addition back.
bool ring_add(int64_t *restrict sum, const int64_t *restrict x, size_t n, uint32_t n_terms);
void ring_take(int64_t *restrict sum, const int64_t *restrict x, size_t n);

// mean[i] = sum[i] * 2^-36 / total, in double, rounded once to float.
void ring_mean(float *restrict mean, const int64_t *restrict sum, size_t n, double total);
