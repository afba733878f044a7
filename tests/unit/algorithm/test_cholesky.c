#include "algorithm/cholesky.h"
#include "base/memory.h"
#include "base/philox.h"
#include <criterion/criterion.h>

enum { N_MAX = 40 };

// m m' + I / 10 of a random m [n, n].
static void draw(double *ret, size_t n)
{
    struct random random = random_open((struct random_key){.seed = 3, .purpose = RANDOM_TEST});
    cleanup_free double *m = memory_array(n * n, sizeof *m);
    for (size_t i = 0; i < n * n; i++)
        m[i] = random_normal(&random);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            ret[i * n + j] = i == j ? 0.1 : 0;
            for (size_t k = 0; k < n; k++)
                ret[i * n + j] += m[i * n + k] * m[j * n + k];
        }
}

Test(cholesky, solves_systems_of_any_size)
{
    for (size_t n = 1; n <= N_MAX; n++) {
        cleanup_free double *a = memory_array(n * n, sizeof *a), *l = memory_array(n * n, sizeof *l);
        double x[N_MAX], b[N_MAX];
        draw(a, n);
        for (size_t i = 0; i < n; i++) {
            x[i] = b[i] = 1 - 0.3 * (double)i;
            for (size_t j = 0; j <= i; j++)
                l[i * n + j] = a[i * n + j]; // what lies above is not looked at
        }
        cr_assert_eq(cholesky_factor(l, n, 1e-12), n);
        cholesky_solve(l, n, b);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += a[i * n + j] * b[j];
            cr_assert_float_eq(sum, x[i], 1e-9);
        }
    }
}

Test(cholesky, tells_the_first_row_that_others_determine)
{
    double twice[] = {4, 0, 0, 2, 5, 0, 4, 10, 20}; // the third is twice the second
    double nothing[] = {0};
    double indefinite[] = {1, 0, 2, 1};
    cr_assert_eq(cholesky_factor(twice, 3, 1e-9), 2);
    cr_assert_eq(cholesky_factor(nothing, 1, 1e-9), 0);
    cr_assert_eq(cholesky_factor(indefinite, 2, 1e-9), 1);
}
