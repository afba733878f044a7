// Systems of linear equations with a symmetric positive definite matrix, in double.
#pragma once

#include <stddef.h>

// a = l l' (Cholesky): of a [n, n], row-major, the lower triangle is read and becomes l. Gives n, or the
// first row that the ones before it determine but for `tolerance` of its own size: then there is no solution
// to rely on, and `a` is spoilt. n^3 / 6 multiplications.
size_t cholesky_factor(double *a, size_t n, double tolerance);
// x [n] with l l' x = b, in b's place.
void cholesky_solve(const double *l, size_t n, double *b);
