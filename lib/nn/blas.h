// The few products that layers need, by OpenBLAS in one thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// c [m, n] = alpha * op(a) * op(b) + beta * c; row-major, op transposes when told; lda, ldb, ldc are row
// strides. With beta 0, c's old contents do not matter. From any thread.
void blas_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a,
               size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

// The upper triangle of c [n, n] += a' a in double, a: [k, n]; both row-major. From any thread.
void blas_add_products(size_t n, size_t k, const double *a, double *c);

// Sets OpenBLAS to one thread a call; called once at the start of main.
void blas_open(void);
// "OpenBLAS 0.3.21 Cooperlake": library and kernel set in use, cut to fit.
void blas_describe(char *ret, size_t bytes);
