#include "nn/linear.h"
#include "nn/blas.h"
#include "nn/columns.h"
#include "nn/patches.h"
#include <stdbool.h>
#include <string.h>

enum {
    BATCH_MAX = 128,          // a larger one pays for packing
    EXTENT_MAX = COLUMNS_MAX, // inputs and units together, so that working space stays at 4 MiB
    UNITS_AT_ONCE = 32        // whose gradients are made without the zero inputs' and then spread out
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// Offsets 0, 1, 2, ... and 0, stride, 2 stride, ...: as many as any of the products needs.
static size_t n_offsets(size_t inputs, size_t units)
{
    return larger(larger(inputs, units), BATCH_MAX);
}

static bool sizes_fit(size_t inputs, size_t units)
{
    return inputs <= EXTENT_MAX && units <= EXTENT_MAX && inputs + units <= EXTENT_MAX &&
           inputs >= patches_width(1);
}

static bool fits(const struct linear *linear)
{
    return linear->batch <= BATCH_MAX && sizes_fit(linear->inputs, linear->units);
}

size_t linear_shared_floats(size_t inputs, size_t units)
{
    size_t dense = 2 * n_offsets(inputs, units) + (inputs + units) * BATCH_MAX;
    return sizes_fit(inputs, units) ? dense + inputs + UNITS_AT_ONCE * patches_width(inputs) + COLUMNS_SLACK
                                    : 0;
}

// Worth leaving out what is zero: it takes a look at the batch and copies of what is left.
static bool is_sparse(size_t n_active, size_t inputs)
{
    return 8 * n_active <= 7 * inputs && patches_width(n_active) <= inputs;
}

static bool has_value(size_t n, const float *values)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        any |= bits << 1; // either zero
    }
    return any != 0;
}

// Moves the rows of x_columns [inputs, width] that are not all zero to its front; their numbers go to
// `offsets`.
static size_t gather_rows(size_t inputs, size_t width, float *x_columns, int32_t *offsets)
{
    size_t n = 0;
    for (size_t i = 0; i < inputs; i++) {
        if (!has_value(width, x_columns + i * width))
            continue;
        if (n < i)
            memcpy(x_columns + n * width, x_columns + i * width, width * sizeof x_columns[0]);
        offsets[n++] = (int32_t)i;
    }
    return n;
}

// P with P[r, c] = matrix[r + c * row] (columns lie along the matrix's rows), its offsets in working space.
static struct patches transposed(const struct linear *linear, const float *matrix, size_t n_rows,
                                 size_t n_columns, size_t row)
{
    int32_t *steps = (int32_t *)linear->shared, *rows = steps + n_offsets(linear->inputs, linear->units);
    for (size_t i = 0; i < n_rows; i++)
        steps[i] = (int32_t)i;
    for (size_t i = 0; i < n_columns; i++)
        rows[i] = (int32_t)(i * row);
    return (struct patches){matrix, steps, rows, n_rows, n_columns};
}

// Y' = W X', as W is read in rows then, and the small X and Y are transposed instead.
void linear_forward(const struct linear *linear, const float *x, const float *w, float *ret_y)
{
    const size_t batch = linear->batch, inputs = linear->inputs, units = linear->units;
    if (!fits(linear)) {
        blas_gemm(false, true, batch, units, inputs, 1, x, inputs, w, inputs, 0, ret_y, units);
        return;
    }
    const size_t width = patches_width(batch);
    float *x_columns = linear->shared + 2 * n_offsets(inputs, units);
    float *y_columns = x_columns + inputs * BATCH_MAX;
    struct patches weights = transposed(linear, w, inputs, units, inputs);
    if (width > batch)
        memset(x_columns, 0, inputs * width * sizeof x_columns[0]);
    patches_transpose(batch, inputs, x, inputs, x_columns, width);
    weights.n_rows = gather_rows(inputs, width, x_columns, (int32_t *)linear->shared);
    patches_multiply(&weights, width, x_columns, width, false, y_columns, width);
    patches_transpose(units, batch, y_columns, width, ret_y, units);
}

// As linear_weight_gradient, of the inputs `active` alone; the others' are zero.
static void sparse_gradient(const struct linear *linear, struct patches gradients, const float *x,
                            const int32_t *active, size_t n_active, float *room, float *ret_dw)
{
    const size_t inputs = linear->inputs, units = linear->units;
    const size_t width = patches_width(n_active > 0 ? n_active : 1);
    float *gathered = linear->shared + 2 * n_offsets(inputs, units);
    columns_gather(linear->batch, inputs, x, active, n_active, width, gathered);
    for (size_t from = 0; from < units; from += UNITS_AT_ONCE) {
        gradients.n_columns = units - from < UNITS_AT_ONCE ? units - from : UNITS_AT_ONCE;
        patches_multiply(&gradients, width, gathered, width, false, room, width);
        columns_spread(gradients.n_columns, inputs, room, width, active, n_active, ret_dw + from * inputs);
        gradients.columns += UNITS_AT_ONCE;
    }
}

void linear_weight_gradient(const struct linear *linear, const float *x, const float *dy, float *ret_dw)
{
    const size_t batch = linear->batch, inputs = linear->inputs, units = linear->units;
    if (!fits(linear)) {
        blas_gemm(true, false, units, inputs, batch, 1, dy, units, x, inputs, 0, ret_dw, inputs);
        return;
    }
    // dY[b, u] = dy[b units + u]: the rows' and columns' offsets change places.
    const struct patches by_unit = transposed(linear, dy, units, batch, units);
    const struct patches gradients = {dy, by_unit.columns, by_unit.rows, batch, units};
    int32_t *active =
        (int32_t *)(linear->shared + 2 * n_offsets(inputs, units) + (inputs + units) * BATCH_MAX);
    float *room = (float *)(active + inputs);
    size_t n_active = columns_find(batch, inputs, x, (uint32_t *)room, active);
    if (is_sparse(n_active, inputs))
        sparse_gradient(linear, gradients, x, active, n_active, room, ret_dw);
    else
        patches_multiply(&gradients, inputs, x, inputs, false, ret_dw, inputs);
}

void linear_input_gradient(const struct linear *linear, const float *w, const float *dy, float *ret_dx)
{
    const size_t batch = linear->batch, inputs = linear->inputs, units = linear->units;
    if (!fits(linear)) {
        blas_gemm(false, false, batch, inputs, units, 1, dy, units, w, inputs, 0, ret_dx, inputs);
        return;
    }
    const struct patches gradients = transposed(linear, dy, units, batch, units);
    patches_multiply(&gradients, inputs, w, inputs, false, ret_dx, inputs);
}
