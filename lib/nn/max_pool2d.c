// The largest value under each window. With window taps i j, strides s, and ties won by the first tap:
//     Y[c, y, x] = max_ij X[c, s y + i, s x + j]        dX[c, s y + i*, s x + j*] += dY[c, y, x]
// X: [batch, channels, height, width]. A NaN under the window is the output, as if it were the largest.
// Scratch holds, for each output, where in its window the winner stood: i* width + j*.
#include "base/kernel.h"
#include "nn/pool2d.h"
#include <string.h>

// A row of outputs, taps one after the other. Inlined, so that a constant stride becomes vector loads.
static inline __attribute__((always_inline)) void find_row(const struct window *window, size_t stride,
                                                           const float *restrict rows, float *restrict ret,
                                                           int32_t *restrict winners)
{
    for (size_t x = 0; x < window->output[1]; x++) {
        ret[x] = rows[x * stride];
        winners[x] = 0;
    }
    for (size_t i = 0; i < window->kernel[0]; i++)
        for (size_t j = 0; j < window->kernel[1]; j++) {
            const float *row = rows + i * window->input[1] + j;
            int32_t tap = (int32_t)(i * window->input[1] + j);
            for (size_t x = 0; x < window->output[1]; x++) {
                float value = row[x * stride];
                bool wins = value > ret[x] || value != value;
                ret[x] = wins ? value : ret[x];
                winners[x] = wins ? tap : winners[x];
            }
        }
}

// n_planes: batch x channels.
KERNEL static void find(struct window window, size_t n_planes, const float *restrict input,
                        float *restrict output, int32_t *restrict winners)
{
    for (size_t plane = 0; plane < n_planes; plane++)
        for (size_t y = 0; y < window.output[0]; y++) {
            const float *rows = input + (plane * window.input[0] + y * window.stride[0]) * window.input[1];
            size_t to = (plane * window.output[0] + y) * window.output[1];
            if (window.stride[1] == 2)
                find_row(&window, 2, rows, output + to, winners + to);
            else
                find_row(&window, window.stride[1], rows, output + to, winners + to);
        }
}

static void forward(const struct layer_pass *pass)
{
    const struct window window = window_of(pass->plan);
    find(window, pass->batch * window.channels, pass->input, pass->output, (int32_t *)pass->scratch);
}

// Windows of 2x2 side by side: every input under a window is written once, in order.
static inline __attribute__((always_inline)) void hand_back_pairs(size_t n, size_t width,
                                                                  const float *restrict gradient,
                                                                  const int32_t *restrict winners,
                                                                  float *restrict ret)
{
    for (size_t x = 0; x < n; x++) {
        ret[2 * x] = winners[x] == 0 ? gradient[x] : 0;
        ret[2 * x + 1] = winners[x] == 1 ? gradient[x] : 0;
    }
    for (size_t x = 0; x < n; x++) {
        ret[width + 2 * x] = winners[x] == (int32_t)width ? gradient[x] : 0;
        ret[width + 2 * x + 1] = winners[x] == (int32_t)width + 1 ? gradient[x] : 0;
    }
}

KERNEL static void hand_back(struct window window, size_t n_planes, const float *restrict gradient,
                             const int32_t *restrict winners, float *restrict ret)
{
    const size_t columns = window.output[1], width = window.input[1];
    const bool pairs =
        window.kernel[0] == 2 && window.kernel[1] == 2 && window.stride[0] == 2 && window.stride[1] == 2;
    for (size_t plane = 0; plane < n_planes; plane++) {
        float *image = ret + plane * window.input[0] * width;
        memset(image, 0, window.input[0] * width * sizeof image[0]);
        for (size_t y = 0; y < window.output[0]; y++) {
            size_t from = (plane * window.output[0] + y) * columns;
            float *rows = image + y * window.stride[0] * width;
            if (pairs)
                hand_back_pairs(columns, width, gradient + from, winners + from, rows);
            else
                for (size_t x = 0; x < columns; x++)
                    rows[x * window.stride[1] + (size_t)winners[from + x]] += gradient[from + x];
        }
    }
}

static void backward(const struct layer_pass *pass)
{
    const struct window window = window_of(pass->plan);
    if (pass->input_gradient)
        hand_back(window, pass->batch * window.channels, pass->output_gradient,
                  (const int32_t *)pass->scratch, pass->input_gradient);
}

static enum status plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    TRY(pool2d_plan(options, input, ret, error));
    ret->scratch_floats = shape_size(&ret->output);
    return STATUS_OK;
}

const struct layer_kind layer_max_pool2d = {
    .kind = {.name = "max_pool2d",
             .help = "The largest value of each window of a channel",
             .fields = pool2d_fields,
             .options_bytes = sizeof(struct pool2d_options),
             .check = pool2d_check},
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
