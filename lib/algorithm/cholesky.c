#include "algorithm/cholesky.h"
#include "base/kernel.h"
#include <math.h>

enum { LANES = 8 };

// In an order of additions that does not depend on the vector width.
KERNEL
static double dot(const double *restrict a, const double *restrict b, size_t n)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += a[i] * b[i];
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

// Row by row (Cholesky and Banachiewicz): l_ij = (a_ij - sum_{k<j} l_ik l_jk) / l_jj.
size_t cholesky_factor(double *a, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n, own = row[i];
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
        double pivot = own - dot(row, row, i);
        if (!(pivot > tolerance * own) || !isfinite(pivot))
            return i;
        row[i] = sqrt(pivot);
    }
    return n;
}

void cholesky_solve(const double *l, size_t n, double *b)
{
    for (size_t i = 0; i < n; i++)
        b[i] = (b[i] - dot(l + i * n, b, i)) / l[i * n + i];
    for (size_t i = n; i-- > 0;) {
        b[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++)
            b[j] -= l[i * n + j] * b[i];
    }
}
