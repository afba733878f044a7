#include "nn/blas.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { M = 5, N = 7, K = 3, LD = 9 };

static float at(const float *matrix, size_t row, size_t column, bool transpose)
{
    return transpose ? matrix[column * LD + row] : matrix[row * LD + column];
}

static void check(bool transpose_a, bool transpose_b, float alpha, float beta)
{
    float a[LD * LD], b[LD * LD], c[LD * LD], before[LD * LD];
    for (int i = 0; i < LD * LD; i++) {
        a[i] = (float)(i % 11) - 5;
        b[i] = (float)(i % 7) * 0.5f;
        before[i] = c[i] = (float)(i % 5);
    }
    blas_gemm(transpose_a, transpose_b, M, N, K, alpha, a, LD, b, LD, beta, c, LD);
    for (size_t row = 0; row < LD; row++)
        for (size_t column = 0; column < LD; column++) {
            size_t i = row * LD + column;
            float expected = before[i];
            if (row < M && column < N) {
                expected *= beta;
                for (size_t k = 0; k < K; k++)
                    expected += alpha * at(a, row, k, transpose_a) * at(b, k, column, transpose_b);
            }
            cr_assert_float_eq(c[i], expected, 1e-4, "[%zu, %zu]: %g, not %g", row, column, c[i], expected);
        }
}

Test(blas, products_are_added_to_the_upper_triangle)
{
    double a[K * N], c[N * N];
    for (int i = 0; i < K * N; i++)
        a[i] = (double)(i % 11) - 5;
    for (int i = 0; i < N * N; i++)
        c[i] = i;
    blas_add_products(N, K, a, c);
    for (size_t row = 0; row < N; row++)
        for (size_t column = 0; column < N; column++) {
            double expected = (double)(row * N + column);
            for (size_t k = 0; k < K && column >= row; k++)
                expected += a[k * N + row] * a[k * N + column];
            cr_assert_float_eq(c[row * N + column], expected, 1e-12);
        }
}

Test(blas, gemm_multiplies_row_major_matrices_inside_wider_rows)
{
    check(false, false, 1, 0);
    check(false, false, 2, 1);
}

Test(blas, gemm_transposes_either_side)
{
    check(true, false, 1, 0);
    check(false, true, 0.5f, 0);
    check(true, true, 1, 3);
}

Test(blas, gemm_with_beta_zero_overwrites_what_is_not_a_number)
{
    float a[1] = {2}, b[1] = {3}, c[1] = {NAN};
    blas_gemm(false, false, 1, 1, 1, 1, a, 1, b, 1, 0, c, 1);
    cr_assert_eq(c[0], 6);
}

Test(blas, describe_names_library_version_and_kernel_set)
{
    blas_open();
    char text[64], version[32], core[32];
    blas_describe(text, sizeof text);
    cr_assert_eq(sscanf(text, "OpenBLAS %31s %31s", version, core), 2, "%s", text);
    cr_assert_not_null(strchr(version, '.'), "%s", text);
}

Test(blas, describe_cuts_to_fit)
{
    char text[5];
    blas_describe(text, sizeof text);
    cr_assert_str_eq(text, "Open");
}
