#include "base/memory.h"
#include "base/philox.h"
#include "nn/linear.h"
#include <criterion/criterion.h>
#include <math.h>

struct sizes {
    size_t batch, inputs, units;
};

// Small and large, on both sides of where OpenBLAS takes over.
static const struct sizes all_sizes[] = {{1, 16, 1},    {64, 784, 10}, {7, 30, 5},   {3, 4, 9},
                                         {33, 100, 17}, {128, 50, 3},  {129, 50, 3}, {2, 8190, 3},
                                         {2, 17, 8300}, {5, 64, 48}};

static float *floats(size_t n, struct random *random)
{
    float *values = memory_floats(n);
    for (size_t i = 0; i < n; i++)
        values[i] = random ? 2 * random_float(random) - 1 : NAN;
    return values;
}

// ret [m, n] = sum over k of a[i, k] * b[k, j], both read by strides; compared with `found`.
static void check(const char *what, struct sizes sizes, const float *found, size_t m, size_t n, size_t k,
                  const float *a, const size_t a_strides[2], const float *b, const size_t b_strides[2])
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double expected = 0;
            for (size_t l = 0; l < k; l++)
                expected += (double)a[i * a_strides[0] + l * a_strides[1]] *
                            (double)b[l * b_strides[0] + j * b_strides[1]];
            cr_assert_float_eq(found[i * n + j], expected, 1e-3, "%s of %zu x %zu to %zu: [%zu, %zu]", what,
                               sizes.batch, sizes.inputs, sizes.units, i, j);
        }
}

static void check_sizes(struct sizes sizes)
{
    struct random random = random_open((struct random_key){.seed = 5, .purpose = RANDOM_TEST});
    const size_t batch = sizes.batch, inputs = sizes.inputs, units = sizes.units;
    float *x = floats(batch * inputs, &random), *w = floats(units * inputs, &random);
    float *dy = floats(batch * units, &random), *y = floats(batch * units, NULL);
    float *dx = floats(batch * inputs, NULL), *dw = floats(units * inputs, NULL);
    float *shared = floats(linear_shared_floats(inputs, units), NULL);
    const struct linear linear = {batch, inputs, units, shared};
    linear_forward(&linear, x, w, y);
    check("Y", sizes, y, batch, units, inputs, x, (size_t[]){inputs, 1}, w, (size_t[]){1, inputs});
    linear_weight_gradient(&linear, x, dy, dw, NULL, 0);
    check("dW", sizes, dw, units, inputs, batch, dy, (size_t[]){1, units}, x, (size_t[]){inputs, 1});
    linear_input_gradient(&linear, w, dy, dx);
    check("dX", sizes, dx, batch, inputs, units, dy, (size_t[]){units, 1}, w, (size_t[]){inputs, 1});
    float *all[] = {x, w, dy, y, dx, dw, shared};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        memory_free(all[i]);
}

Test(linear, products_agree_with_plain_loops)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_sizes); i++)
        check_sizes(all_sizes[i]);
}

// Zeros out most columns of x.
static void check_sparse(struct sizes sizes, unsigned int keep)
{
    struct random random = random_open((struct random_key){.seed = 6, .purpose = RANDOM_TEST});
    const size_t batch = sizes.batch, inputs = sizes.inputs, units = sizes.units;
    float *x = floats(batch * inputs, &random), *w = floats(units * inputs, &random);
    float *dy = floats(batch * units, &random), *y = floats(batch * units, NULL);
    float *dw = floats(units * inputs, NULL), *shared = floats(linear_shared_floats(inputs, units), NULL);
    for (size_t i = 0; i < inputs; i++)
        for (size_t b = 0; b < batch && i % 10 >= keep; b++)
            x[b * inputs + i] = b % 2 ? 0.0F : -0.0F;
    const struct linear linear = {batch, inputs, units, shared};
    linear_forward(&linear, x, w, y);
    check("Y", sizes, y, batch, units, inputs, x, (size_t[]){inputs, 1}, w, (size_t[]){1, inputs});
    linear_weight_gradient(&linear, x, dy, dw, NULL, 0);
    check("dW", sizes, dw, units, inputs, batch, dy, (size_t[]){1, units}, x, (size_t[]){inputs, 1});
    for (size_t u = 0; u < units; u++)
        for (size_t i = 0; i < inputs; i++)
            cr_assert(i % 10 < keep || dw[u * inputs + i] == 0);
    // One input that is not zero, too small to count: nothing is left out, and nothing changes.
    float *whole_y = floats(batch * units, NULL);
    for (size_t i = 0; i < inputs; i++)
        x[i] = x[i] == 0 ? 1e-45F : x[i];
    for (size_t i = 0; i < units * inputs; i++)
        w[i] = ldexpf(w[i], -4); // so that the products vanish
    linear_forward(&linear, x, w, whole_y);
    for (size_t i = 0; i < inputs; i++)
        x[i] = x[i] == 1e-45F ? 0 : x[i];
    linear_forward(&linear, x, w, y);
    for (size_t i = 0; i < batch * units; i++)
        cr_assert_eq(y[i], whole_y[i], "the same to the bit");
    float *all[] = {x, w, dy, y, dw, shared, whole_y};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        memory_free(all[i]);
}

Test(linear, inputs_that_are_zero_in_the_whole_batch_are_passed_over)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_sizes); i++)
        for (unsigned int keep = 0; keep < 10; keep += 3)
            check_sparse(all_sizes[i], keep);
}

Test(linear, working_space_is_bounded)
{
    for (size_t inputs = 1; inputs < (size_t)1 << 30; inputs *= 2)
        for (size_t units = 1; units < (size_t)1 << 30; units *= 2)
            cr_assert_leq(linear_shared_floats(inputs, units) * sizeof(float), 5u << 20);
}
