// The input's gradient of a convolution, u counted in the padded input:
//     dX[c, u, v] = sum_oij W[o, c, i, j] dY[o, (u - i) / s, (v - j) / s], over the i, j that s divides
// With stride s, pixel u meets tap i only where u - i is a multiple of s. So pixels and taps are sorted by
// their remainder r, u = s a + r and i = s b + r, and each of the s s phases is a product by itself with
// dY[o, a - b], a transposed convolution without the zeros between pixels.
#include "nn/conv2d_impl.h"
#include <string.h>

// The largest b, the least a and the largest a.
static size_t d_reach(const struct window *window, int axis)
{
    return (window->kernel[axis] - 1) / window->stride[axis];
}

static size_t d_first(const struct window *window, int axis)
{
    return window->before[axis] / window->stride[axis];
}

static size_t d_last(const struct window *window, int axis)
{
    return (window->before[axis] + window->input[axis] - 1) / window->stride[axis];
}

size_t conv2d_d_extent(const struct window *window, int axis)
{
    return d_last(window, axis) - d_first(window, axis) + d_reach(window, axis) + 1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct conv2d_spread spread_gradient(const struct conv2d *conv)
{
    const struct window *window = &conv->window;
    struct conv2d_spread spread = {.input = {window->output[0], window->output[1]},
                                   .output = {conv->d_extent[0], conv->d_extent[1]}};
    for (int axis = 0; axis < 2; axis++)
        spread.from[axis] = (ptrdiff_t)d_reach(window, axis) - (ptrdiff_t)d_first(window, axis);
    return spread;
}

// One phase of dX's pixels and taps: their remainders, and its part of the lists.
struct phase {
    size_t remainder[2];
    size_t first_tap, n_taps, first_pixel, n_pixels;
};

static size_t n_phases(const struct conv2d *conv)
{
    return conv->window.stride[0] * conv->window.stride[1];
}

// How many of from, ..., end - 1 leave `remainder`.
static size_t count_phase(size_t from, size_t end, size_t stride, size_t remainder)
{
    return (end + stride - 1 - remainder) / stride - (from + stride - 1 - remainder) / stride;
}

// From the phase before, or a zeroed one, to phase `index`.
static void phase_advance(const struct conv2d *conv, size_t index, struct phase *phase)
{
    const struct window *window = &conv->window;
    phase->first_tap += phase->n_taps;
    phase->first_pixel += phase->n_pixels;
    phase->remainder[0] = index / window->stride[1];
    phase->remainder[1] = index % window->stride[1];
    phase->n_taps = conv->filters;
    phase->n_pixels = 1;
    for (int axis = 0; axis < 2; axis++) {
        size_t stride = window->stride[axis], remainder = phase->remainder[axis];
        size_t before = window->before[axis];
        phase->n_taps *= count_phase(0, window->kernel[axis], stride, remainder);
        phase->n_pixels *= count_phase(before, before + window->input[axis], stride, remainder);
    }
}

// The phase's taps, filter by filter: offsets into the padded dY, and the weights with channels in a row.
static void fill_phase_taps(const struct conv2d *conv, const struct phase *phase, const float *weights,
                            float *shared)
{
    const struct window *window = &conv->window;
    const size_t *kernel = window->kernel, *stride = window->stride, *extent = conv->d_extent;
    const size_t n_kernel = kernel[0] * kernel[1];
    int32_t *tap = (int32_t *)(shared + conv->work.d_taps) + phase->first_tap;
    float *row = shared + conv->work.d_filters + phase->first_tap * conv->d_width;
    for (size_t filter = 0; filter < conv->filters; filter++)
        for (size_t i = phase->remainder[0]; i < kernel[0]; i += stride[0])
            for (size_t j = phase->remainder[1]; j < kernel[1]; j += stride[1], row += conv->d_width) {
                const float *from = weights + filter * window->channels * n_kernel + i * kernel[1] + j;
                size_t y = d_reach(window, 0) - i / stride[0], x = d_reach(window, 1) - j / stride[1];
                *tap++ = (int32_t)((filter * extent[0] + y) * extent[1] + x);
                for (size_t c = 0; c < window->channels; c++)
                    row[c] = from[c * n_kernel];
            }
}

static void fill_phase_pixels(const struct conv2d *conv, const struct phase *phase, float *shared)
{
    const struct window *window = &conv->window;
    const size_t *stride = window->stride;
    int32_t *pixel = (int32_t *)(shared + conv->work.d_pixels) + phase->first_pixel;
    int32_t *place = (int32_t *)(shared + conv->work.d_places) + phase->first_pixel;
    for (size_t y = 0; y < window->input[0]; y++)
        for (size_t x = 0; x < window->input[1]; x++) {
            size_t u = y + window->before[0], v = x + window->before[1];
            if (u % stride[0] != phase->remainder[0] || v % stride[1] != phase->remainder[1])
                continue;
            size_t row = u / stride[0] - d_first(window, 0), column = v / stride[1] - d_first(window, 1);
            *pixel++ = (int32_t)(row * conv->d_extent[1] + column);
            *place++ = (int32_t)(y * window->input[1] + x);
        }
}

// For dX: lists, weights, and zeros where no sample writes.
void conv2d_open_input_gradient(const struct conv2d *conv, const float *weights, float *shared)
{
    struct phase phase = {0};
    memset(shared + conv->work.d_image, 0, (conv->work.total - conv->work.d_image) * sizeof shared[0]);
    for (size_t i = 0; i < n_phases(conv); i++) {
        phase_advance(conv, i, &phase);
        fill_phase_taps(conv, &phase, weights, shared);
        fill_phase_pixels(conv, &phase, shared);
    }
}

// As conv2d_multiply, with the pixels going to `places` of each channel's [n_all] results.
static void multiply_scattered(const struct patches *all, size_t width, const float *right, float *sums,
                               size_t n_channels, const int32_t *places, size_t n_all, float *ret)
{
    struct patches block = *all;
    for (size_t from = 0; from < all->n_columns; from += CONV2D_BLOCK) {
        block.columns = all->columns + from;
        block.n_columns = least(all->n_columns - from, CONV2D_BLOCK);
        patches_multiply(&block, width, right, width, false, sums, width);
        for (size_t c = 0; c < n_channels; c++)
            for (size_t pixel = 0; pixel < block.n_columns; pixel++)
                ret[c * n_all + (size_t)places[from + pixel]] = sums[pixel * width + c];
    }
}

void conv2d_input_gradient(const struct conv2d *conv, float *shared, const float *output_gradient, float *ret)
{
    const struct conv2d_work *work = &conv->work;
    const struct conv2d_spread spread = spread_gradient(conv);
    const size_t channels = conv->window.channels;
    struct phase phase = {0};
    conv2d_spread(&spread, conv->filters, output_gradient, shared + work->d_image);
    for (size_t i = 0; i < n_phases(conv); i++) {
        phase_advance(conv, i, &phase);
        const struct patches patches = {
            .image = shared + work->d_image,
            .rows = (const int32_t *)(shared + work->d_taps) + phase.first_tap,
            .columns = (const int32_t *)(shared + work->d_pixels) + phase.first_pixel,
            .n_rows = phase.n_taps,
            .n_columns = phase.n_pixels,
        };
        const float *weights = shared + work->d_filters + phase.first_tap * conv->d_width;
        const int32_t *places = (const int32_t *)(shared + work->d_places) + phase.first_pixel;
        if (n_phases(conv) == 1)
            conv2d_multiply(&patches, conv->d_width, weights, shared + work->sums, channels, ret);
        else
            multiply_scattered(&patches, conv->d_width, weights, shared + work->sums, channels, places,
                               conv->n_d_pixels, ret);
    }
}
