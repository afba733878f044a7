// The largest value under each window. With window taps i j, strides s, and ties won by the first tap:
//     Y[c, y, x] = max_ij X[c, s y + i, s x + j]        dX[c, s y + i*, s x + j*] += dY[c, y, x]
// X: [batch, channels, height, width]. A NaN under the window is the output, as if it were the largest.
// Scratch holds, for each output, where in its window the winner stood: i* width + j*.
#include "base/kernel.h"
#include "nn/pool2d.h"
#include <string.h>

// Four windows at a time. Four, since vectors of 16 bytes are whole on every x86-64 CPU, and rows are short:
// a loop left to the compiler spends most of its time in the remainder.
enum { LANES = 4 };
typedef float values __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t offsets __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));

static inline offsets choose(offsets mask, offsets yes, offsets no)
{
    return (yes & mask) | (no & ~mask);
}

// `lanes` are the offsets of the windows' first inputs.
static inline void find_lanes(const struct window *window, const float *restrict rows,
                              const size_t lanes[LANES], values *ret, offsets *ret_winners)
{
    values best = {rows[lanes[0]], rows[lanes[1]], rows[lanes[2]], rows[lanes[3]]};
    offsets winners = {0};
    for (size_t i = 0; i < window->kernel[0]; i++)
        for (size_t j = 0; j < window->kernel[1]; j++) {
            size_t offset = i * window->input[1] + j;
            const float *tap = rows + offset;
            values value = {tap[lanes[0]], tap[lanes[1]], tap[lanes[2]], tap[lanes[3]]};
            offsets wins = (value > best) | (value != value); // NOLINT(misc-redundant-expression): NaN wins
            best = (values)choose(wins, (offsets)value, (offsets)best);
            winners = choose(wins, (int32_t)offset - (offsets){0}, winners);
        }
    *ret = best;
    *ret_winners = winners;
}

// A row of outputs: the last four windows overlap those before when the row is no multiple of four.
static inline void find_row(const struct window *window, const float *restrict rows, float *restrict ret,
                            int32_t *restrict ret_winners)
{
    const size_t columns = window->output[1], n = columns < LANES ? columns : LANES;
    for (size_t x = 0; x < columns; x += LANES) {
        size_t from = x + n <= columns ? x : columns - n, lanes[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] = (from + (lane < n ? lane : n - 1)) * window->stride[1];
        values best;
        offsets winners;
        find_lanes(window, rows, lanes, &best, &winners);
        memcpy(ret + from, &best, n * sizeof ret[0]);
        memcpy(ret_winners + from, &winners, n * sizeof ret_winners[0]);
    }
}

// n_planes: batch x channels.
KERNEL static void find(struct window window, size_t n_planes, const float *restrict input,
                        float *restrict output, int32_t *restrict winners)
{
    for (size_t plane = 0; plane < n_planes; plane++)
        for (size_t y = 0; y < window.output[0]; y++) {
            size_t from = (plane * window.input[0] + y * window.stride[0]) * window.input[1];
            size_t to = (plane * window.output[0] + y) * window.output[1];
            find_row(&window, input + from, output + to, winners + to);
        }
}

static void forward(const struct layer_pass *pass)
{
    const struct window window = window_of(pass->plan);
    find(window, pass->batch * window.channels, pass->input, pass->output, (int32_t *)pass->scratch);
}

static void hand_back(struct window window, size_t n_planes, const float *restrict gradient,
                      const int32_t *restrict winners, float *restrict ret)
{
    const size_t columns = window.output[1], width = window.input[1];
    for (size_t plane = 0; plane < n_planes; plane++) {
        float *image = ret + plane * window.input[0] * width;
        memset(image, 0, window.input[0] * width * sizeof image[0]);
        for (size_t y = 0; y < window.output[0]; y++) {
            size_t from = (plane * window.output[0] + y) * columns;
            float *rows = image + y * window.stride[0] * width;
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
