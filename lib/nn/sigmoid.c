// y = 1 / (1 + exp -x); dx = dy y (1 - y).
#include "base/kernel.h"
#include "nn/activation.h"
#include "nn/vector_math.h"

KERNEL static void apply(size_t n, float *restrict values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = vector_sigmoid(values[i]);
}

KERNEL static void chain(size_t n, const float *restrict output, float *restrict gradient)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] *= output[i] * (1 - output[i]);
}

static void forward(const void *options, size_t batch, const struct shape *shape, float *values)
{
    apply(batch * shape_size(shape), values);
}

static void backward(const void *options, size_t batch, const struct shape *shape, const float *input,
                     const float *output, float *gradient)
{
    chain(batch * shape_size(shape), output, gradient);
}

const struct activation_kind activation_sigmoid = {
    .kind = {.name = "sigmoid", .help = "1 / (1 + exp(-x))"},
    .gives_probabilities = true,
    .forward = forward,
    .backward = backward,
};
