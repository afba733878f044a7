// The mean of each window. With window taps i j, strides s and n taps in all:
//     Y[c, y, x] = sum_ij X[c, s y + i, s x + j] / n        dX[c, s y + i, s x + j] += dY[c, y, x] / n
// X: [batch, channels, height, width].
#include "base/kernel.h"
#include "nn/pool2d.h"
#include <string.h>

static inline __attribute__((always_inline)) void sum_row(size_t n, size_t stride, const float *restrict row,
                                                          float *restrict sums)
{
    for (size_t x = 0; x < n; x++)
        sums[x] += row[x * stride];
}

static inline __attribute__((always_inline)) void share_row(size_t n, size_t stride, float share,
                                                            const float *restrict gradient,
                                                            float *restrict row)
{
    for (size_t x = 0; x < n; x++)
        row[x * stride] += gradient[x] * share;
}

// n_planes: batch x channels.
KERNEL static void average(struct window window, size_t n_planes, const float *restrict input,
                           float *restrict output)
{
    const size_t columns = window.output[1], width = window.input[1], stride = window.stride[1];
    const float share = 1 / (float)(window.kernel[0] * window.kernel[1]);
    for (size_t plane = 0; plane < n_planes; plane++)
        for (size_t y = 0; y < window.output[0]; y++) {
            const float *rows = input + (plane * window.input[0] + y * window.stride[0]) * width;
            float *sums = output + (plane * window.output[0] + y) * columns;
            memset(sums, 0, columns * sizeof sums[0]);
            for (size_t i = 0; i < window.kernel[0]; i++)
                for (size_t j = 0; j < window.kernel[1]; j++)
                    if (stride == 2)
                        sum_row(columns, 2, rows + i * width + j, sums);
                    else
                        sum_row(columns, stride, rows + i * width + j, sums);
            for (size_t x = 0; x < columns; x++)
                sums[x] *= share;
        }
}

KERNEL static void share_out(struct window window, size_t n_planes, const float *restrict gradient,
                             float *restrict ret)
{
    const size_t columns = window.output[1], width = window.input[1], stride = window.stride[1];
    const float share = 1 / (float)(window.kernel[0] * window.kernel[1]);
    for (size_t plane = 0; plane < n_planes; plane++) {
        float *image = ret + plane * window.input[0] * width;
        memset(image, 0, window.input[0] * width * sizeof image[0]);
        for (size_t y = 0; y < window.output[0]; y++) {
            const float *row = gradient + (plane * window.output[0] + y) * columns;
            for (size_t i = 0; i < window.kernel[0]; i++)
                for (size_t j = 0; j < window.kernel[1]; j++) {
                    float *to = image + (y * window.stride[0] + i) * width + j;
                    if (stride == 2)
                        share_row(columns, 2, share, row, to);
                    else
                        share_row(columns, stride, share, row, to);
                }
        }
    }
}

static void forward(const struct layer_pass *pass)
{
    const struct window window = window_of(pass->plan);
    average(window, pass->batch * window.channels, pass->input, pass->output);
}

static void backward(const struct layer_pass *pass)
{
    const struct window window = window_of(pass->plan);
    if (pass->input_gradient)
        share_out(window, pass->batch * window.channels, pass->output_gradient, pass->input_gradient);
}

const struct layer_kind layer_avg_pool2d = {
    .kind = {.name = "avg_pool2d",
             .help = "The mean of each window of a channel",
             .fields = pool2d_fields,
             .options_bytes = sizeof(struct pool2d_options),
             .check = pool2d_check},
    .plan = pool2d_plan,
    .forward = forward,
    .backward = backward,
};
