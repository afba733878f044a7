#include "base/memory.h"
#include "base/philox.h"
#include "nn/patches.h"
#include <criterion/criterion.h>

enum { IMAGE = 64, ROWS_MAX = 40, COLUMNS_MAX = 40, WIDTH_MAX = 80 };

struct product {
    float image[IMAGE], right[ROWS_MAX * WIDTH_MAX], ret[COLUMNS_MAX * WIDTH_MAX];
    int32_t rows[ROWS_MAX], columns[COLUMNS_MAX];
};

static void fill(struct product *product)
{
    struct random random = random_open((struct random_key){.seed = 3, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < ARRAY_SIZE(product->image); i++)
        product->image[i] = random_float(&random) - 0.5f;
    for (size_t i = 0; i < ARRAY_SIZE(product->right); i++)
        product->right[i] = random_float(&random) - 0.5f;
    for (size_t i = 0; i < ARRAY_SIZE(product->ret); i++)
        product->ret[i] = random_float(&random);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        product->rows[i] = (int32_t)random_below(&random, IMAGE / 2);
        product->columns[i] = (int32_t)random_below(&random, IMAGE / 2);
    }
}

static void check(size_t n_rows, size_t n_columns, size_t width, bool add)
{
    static struct product product, before;
    fill(&product);
    before = product;
    struct patches patches = {product.image, product.rows, product.columns, n_rows, n_columns};
    patches_multiply(&patches, width, product.right, width, add, product.ret, width);
    for (size_t i = 0; i < ARRAY_SIZE(product.ret); i++) {
        double expected = (double)before.ret[i];
        size_t column = i / width;
        if (column < n_columns) {
            expected = add ? expected : 0;
            for (size_t row = 0; row < n_rows; row++)
                expected += (double)product.image[product.rows[row] + product.columns[column]] *
                            (double)product.right[row * width + i % width];
        }
        cr_assert_float_eq(product.ret[i], expected, 1e-5, "%zu rows, %zu columns, width %zu: at %zu", n_rows,
                           n_columns, width, i);
    }
}

Test(patches, multiply_agrees_with_plain_loops_for_every_remainder)
{
    size_t lanes = patches_width(1);
    for (size_t width = lanes; width <= WIDTH_MAX; width += lanes)
        for (size_t n_columns = 1; n_columns <= 20; n_columns++) {
            check(7, n_columns, width, false);
            check(ROWS_MAX, n_columns, width, true);
        }
}

Test(patches, multiply_without_adding_takes_any_width_from_a_vector_on)
{
    for (size_t width = patches_width(1); width <= WIDTH_MAX; width++)
        check(9, 11, width, false);
}

Test(patches, multiply_of_no_rows_is_zero)
{
    check(0, 5, patches_width(3), false);
    check(0, 5, patches_width(3), true);
}

Test(patches, width_is_the_least_of_whole_vectors)
{
    size_t lanes = patches_width(1);
    cr_assert_eq(patches_width(lanes), lanes);
    cr_assert_eq(patches_width(lanes + 1), 2 * lanes);
}

Test(patches, transpose_handles_every_remainder_and_touches_nothing_else)
{
    enum { LONGEST = 35 };
    static float a[LONGEST * LONGEST], ret[LONGEST * LONGEST];
    for (size_t n_rows = 1; n_rows < LONGEST; n_rows += 3)
        for (size_t n_columns = 1; n_columns < LONGEST; n_columns++) {
            for (size_t i = 0; i < LONGEST * LONGEST; i++) {
                a[i] = (float)i;
                ret[i] = -1;
            }
            patches_transpose(n_rows, n_columns, a, LONGEST, ret, LONGEST);
            for (size_t i = 0; i < LONGEST * LONGEST; i++) {
                size_t row = i / LONGEST, column = i % LONGEST;
                float expected = row < n_columns && column < n_rows ? a[column * LONGEST + row] : -1;
                cr_assert_eq(ret[i], expected, "%zu x %zu at [%zu, %zu]", n_rows, n_columns, row, column);
            }
        }
}
