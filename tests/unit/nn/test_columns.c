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
    float *x = memory_floats(ROWS * n_columns), *back = memory_floats(ROWS * n_columns + 1);
    float *gathered = memory_floats(ROWS * (n_columns + 3) + COLUMNS_SLACK);
    int32_t *found = memory_array(n_columns, sizeof *found),
            *expected = memory_array(n_columns, sizeof *found);
    uint32_t *work = memory_array(n_columns, sizeof *work);
    size_t n_expected = 0;
    for (size_t i = 0; i < n_columns; i++)
        if (random_below(&random, every) == 0) {
            x[random_below(&random, ROWS) * n_columns + i] = 1.0F + (float)i;
            expected[n_expected++] = (int32_t)i;
        } else {
            x[i] = -0.0F;
        }
    size_t n = columns_find(ROWS, n_columns, x, work, found), width = n + 3;
    cr_assert_eq(n, n_expected);
    cr_assert_eq(memcmp(found, expected, n * sizeof *found), 0);
    columns_gather(ROWS, n_columns, x, found, n, width, gathered);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t k = 0; k < width; k++)
            cr_assert_eq(gathered[row * width + k], k < n ? x[row * n_columns + (size_t)found[k]] : 0);
    memset(back, 0x7f, (ROWS * n_columns + 1) * sizeof *back);
    float sentinel = back[ROWS * n_columns];
    columns_spread(ROWS, n_columns, gathered, width, found, n, back);
    for (size_t i = 0; i < ROWS * n_columns; i++)
        cr_assert_eq(back[i], x[i], "value %zu of %zu columns", i, n_columns);
    cr_assert_eq(back[ROWS * n_columns], sentinel);
    void *all[] = {x, back, gathered, found, expected, work};
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
