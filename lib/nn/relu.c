// y = max(x, 0); dx = dy where y > 0, else 0 (Nair and Hinton 2010).
#include "base/kernel.h"
#include "nn/activation.h"

KERNEL static void rectify(size_t n, float *restrict values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = values[i] < 0 ? 0 : values[i]; // this way round a NaN stays one
}

KERNEL static void mask(size_t n, const float *restrict output, float *restrict gradient)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] = output[i] > 0 ? gradient[i] : 0;
}

static void forward(const void *options, size_t batch, const struct shape *shape, float *values)
{
    rectify(batch * shape_size(shape), values);
}

static void backward(const void *options, size_t batch, const struct shape *shape, const float *input,
                     const float *output, float *gradient)
{
    mask(batch * shape_size(shape), output, gradient);
}

const struct activation_kind activation_relu = {
    .kind = {.name = "relu", .help = "max(x, 0)"},
    .rectifies = true,
    .forward = forward,
    .backward = backward,
};
