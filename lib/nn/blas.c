#include "nn/blas.h"
#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <stdio.h>

void blas_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a,
               size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    assert(lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void blas_add_products(size_t n, size_t k, const double *a, double *c)
{
    assert(n <= INT_MAX && k <= INT_MAX);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)n, (blasint)k, 1, a, (blasint)n, 1, c,
                (blasint)n);
}

// Of OpenBLAS with threads of its own: ends them. They were started with the program, one a core, and would
// go on looking for work for a while.
extern int blas_thread_shutdown_(void) __attribute__((weak));

void blas_open(void)
{
    openblas_set_num_threads(1);
    if (blas_thread_shutdown_)
        blas_thread_shutdown_();
}

void blas_describe(char *ret, size_t bytes)
{
    // The configuration starts with name and version: "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...".
    char version[32] = "unknown version";
    sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(ret, bytes, "OpenBLAS %s %s", version, openblas_get_corename());
}
