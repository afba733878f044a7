#include "nn/linear.h"
#include "nn/blas.h"
#include "nn/patches.h"
#include <stdbool.h>
#include <string.h>

enum {
    BATCH_MAX = 128,  // a larger one pays for packing
    EXTENT_MAX = 8192 // inputs and units together, so that working space stays at 4 MiB
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
    return sizes_fit(inputs, units) ? 2 * n_offsets(inputs, units) + (inputs + units) * BATCH_MAX : 0;
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
    const struct patches weights = transposed(linear, w, inputs, units, inputs);
    if (width > batch)
        memset(x_columns, 0, inputs * width * sizeof x_columns[0]);
    patches_transpose(batch, inputs, x, inputs, x_columns, width);
    patches_multiply(&weights, width, x_columns, width, false, y_columns, width);
    patches_transpose(units, batch, y_columns, width, ret_y, units);
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
