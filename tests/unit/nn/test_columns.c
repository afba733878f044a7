#include "base/memory.h"
#include "base/philox.h"
#include "nn/columns.h"
#include <criterion/criterion.h>
#include <string.h>

enum { ROWS = 5 };

// Keeps about one column in `every`, and checks them there and back.
static void check(size_t n_columns, uint64_t every)
{
    struct random random = random_open((struct random_key){.seed = n_columns, .purpose = RANDOM_TEST});
    const size_t n_values = ROWS * n_columns;
    float *x = memory_floats(n_values), *back = memory_floats(n_values + 1), *p = memory_floats(n_values + 1);
    float *gathered = memory_floats(ROWS * (n_columns + 3) + COLUMNS_SLACK);
    int32_t *expected = memory_array(n_columns, sizeof *expected);
    uint32_t *work = memory_array(n_columns, sizeof *work);
    struct columns columns;
    size_t n = 0;
    for (size_t i = 0; i < n_columns; i++)
        if (random_below(&random, every) == 0) {
            x[random_below(&random, ROWS) * n_columns + i] = 1.0F + (float)i;
            expected[n++] = (int32_t)i;
        } else {
            x[i] = -0.0F;
        }
    columns_find(ROWS, n_columns, x, work, &columns);
    cr_assert_eq(columns.n, n);
    cr_assert_eq(columns.n_all, n_columns);
    const size_t width = n + 3;
    columns_gather(&columns, ROWS, x, width, gathered);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t k = 0; k < width; k++)
            cr_assert_eq(gathered[row * width + k], k < n ? x[row * n_columns + (size_t)expected[k]] : 0);
    memset(back, 0x7f, (n_values + 1) * sizeof *back);
    float sentinel = back[n_values];
    columns_spread(&columns, ROWS, gathered, width, back);
    for (size_t i = 0; i < n_values; i++)
        cr_assert_eq(back[i], x[i], "value %zu of %zu columns", i, n_columns);
    cr_assert_eq(back[n_values], sentinel);
    for (size_t i = 0; i <= n_values; i++)
        p[i] = random_float(&random) - 0.5F;
    memcpy(back, p, (n_values + 1) * sizeof *back);
    columns_descend(&columns, ROWS, gathered, width, 0.1F, 0.01F, p);
    for (size_t i = 0; i < n_values; i++) {
        float way = 0.1F * (x[i] + 0.01F * back[i]);
        cr_assert_eq(p[i], back[i] - way, "value %zu of %zu columns", i, n_columns);
    }
    cr_assert_eq(p[n_values], back[n_values]);
    void *all[] = {x, back, p, gathered, expected, work};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        memory_free(all[i]);
}

Test(columns, come_apart_and_back_together)
{
    for (size_t n = 1; n < 70; n++)
        for (uint64_t every = 1; every < 40; every += 6)
            check(n, every);
    check(784, 2);
    check(COLUMNS_MAX, 3);
    check(COLUMNS_MAX - 1, 1000);
}
