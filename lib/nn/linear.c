#include "nn/linear.h"
#include "base/kernel.h"
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
    return sizes_fit(inputs, units) ? dense + UNITS_AT_ONCE * patches_width(inputs) + COLUMNS_SLACK : 0;
}

// Worth leaving out what is zero: it takes a look at the batch and copies of what is left.
static bool is_sparse(size_t n_active, size_t inputs)
{
    return 8 * n_active <= 7 * inputs && patches_width(n_active) <= inputs;
}

KERNEL static uint32_t has_value(size_t n, const uint32_t *restrict bits)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= bits[i] << 1; // either zero
    return any;
}

// The same, and copies them.
KERNEL static uint32_t copy_row(size_t n, const uint32_t *restrict bits, uint32_t *restrict ret)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        ret[i] = bits[i];
        any |= bits[i] << 1;
    }
    return any;
}

// Moves the rows of x_columns [inputs, width] that are not all zero to its front; their numbers go to
// `offsets`.
static size_t gather_rows(size_t inputs, size_t width, float *x_columns, int32_t *offsets)
{
    uint32_t *rows = (uint32_t *)(void *)x_columns;
    size_t n = 0;
    for (size_t i = 0; i < inputs; i++) {
        offsets[n] = (int32_t)i;
        const uint32_t *row = rows + i * width;
        n += (n == i ? has_value(width, row) : copy_row(width, row, rows + n * width)) != 0;
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

// Inputs that have a value somewhere in the batch, apart from the others.
struct active {
    bool all; // not worth it: x is taken as it is
    struct columns columns;
    size_t width;
    float *x;    // [batch, width]
    float *room; // [UNITS_AT_ONCE, width]
};

static void find_active(const struct linear *linear, const float *x, struct active *ret)
{
    const size_t batch = linear->batch, inputs = linear->inputs, units = linear->units;
    ret->x = linear->shared + 2 * n_offsets(inputs, units);
    ret->room = ret->x + (inputs + units) * BATCH_MAX;
    columns_find(batch, inputs, x, (uint32_t *)ret->room, &ret->columns);
    ret->all = !is_sparse(ret->columns.n, inputs);
    ret->width = patches_width(ret->columns.n ? ret->columns.n : 1);
    if (!ret->all)
        columns_gather(&ret->columns, batch, x, ret->width, ret->x);
}

// The gradient of a block of units [gradients->n_columns, inputs], from parameter `offset` on.
static void gradient_block(const struct linear *linear, const struct patches *gradients, const float *x,
                           const struct active *active, float *ret, const struct gradient_sink *sink,
                           size_t offset)
{
    const size_t inputs = linear->inputs, units = gradients->n_columns, width = active->width;
    if (active->all) {
        patches_multiply(gradients, inputs, x, inputs, false, ret, inputs);
    } else {
        patches_multiply(gradients, width, active->x, width, false, active->room, width);
        if (sink && sink->take_columns) {
            sink->take_columns(sink->user, offset, &active->columns, units, active->room, width);
            return;
        }
        columns_spread(&active->columns, units, active->room, width, ret);
    }
    if (sink)
        sink->take(sink->user, offset, units * inputs, ret);
}

void linear_weight_gradient(const struct linear *linear, const float *x, const float *dy, float *ret_dw,
                            const struct gradient_sink *sink, size_t offset)
{
    const size_t batch = linear->batch, inputs = linear->inputs, units = linear->units;
    if (!fits(linear)) {
        blas_gemm(true, false, units, inputs, batch, 1, dy, units, x, inputs, 0, ret_dw, inputs);
        if (sink)
            sink->take(sink->user, offset, units * inputs, ret_dw);
        return;
    }
    // dY[b, u] = dy[b units + u]: the rows' and columns' offsets change places.
    const struct patches by_unit = transposed(linear, dy, units, batch, units);
    struct patches gradients = {dy, by_unit.columns, by_unit.rows, batch, units};
    struct active active;
    find_active(linear, x, &active);
    for (size_t from = 0; from < units; from += UNITS_AT_ONCE, gradients.columns += UNITS_AT_ONCE) {
        float *block = sink ? ret_dw : ret_dw + from * inputs;
        gradients.n_columns = units - from < UNITS_AT_ONCE ? units - from : UNITS_AT_ONCE;
        gradient_block(linear, &gradients, x, &active, block, sink, offset + from * inputs);
    }
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
