// Over a sample's first dimension (all of a vector, the channels of an image), as PyTorch's Softmax(dim=1):
// y_j = exp x_j / sum_k exp x_k; dx_j = y_j (dy_j - sum_k dy_k y_k). The largest x is taken off first.
#include "base/kernel.h"
#include "nn/activation.h"
#include "nn/vector_math.h"

KERNEL static void exponentiate(size_t n, float largest, float *restrict values)
{
    for (size_t j = 0; j < n; j++)
        values[j] = vector_exp(values[j] - largest);
}

// Values at[0], at[stride], .. at[(n - 1) stride].
static void normalize(size_t n, size_t stride, float *at)
{
    float largest = at[0];
    double sum = 0;
    for (size_t j = 1; j < n; j++)
        largest = at[j * stride] > largest ? at[j * stride] : largest;
    if (stride == 1)
        exponentiate(n, largest, at);
    else
        for (size_t j = 0; j < n; j++)
            at[j * stride] = vector_exp(at[j * stride] - largest);
    for (size_t j = 0; j < n; j++)
        sum += (double)at[j * stride];
    float share = (float)(1 / sum);
    for (size_t j = 0; j < n; j++)
        at[j * stride] *= share;
}

static void chain(size_t n, size_t stride, const float *output, float *gradient)
{
    double mean = 0;
    for (size_t j = 0; j < n; j++)
        mean += (double)gradient[j * stride] * (double)output[j * stride];
    for (size_t j = 0; j < n; j++)
        gradient[j * stride] = output[j * stride] * (gradient[j * stride] - (float)mean);
}

static void forward(const void *options, size_t batch, const struct shape *shape, float *values)
{
    size_t size = shape_size(shape), n = shape->extents[0], stride = size / n;
    for (size_t i = 0; i < batch; i++)
        for (size_t k = 0; k < stride; k++)
            normalize(n, stride, values + i * size + k);
}

static void backward(const void *options, size_t batch, const struct shape *shape, const float *input,
                     const float *output, float *gradient)
{
    size_t size = shape_size(shape), n = shape->extents[0], stride = size / n;
    for (size_t i = 0; i < batch; i++)
        for (size_t k = 0; k < stride; k++)
            chain(n, stride, output + i * size + k, gradient + i * size + k);
}

const struct activation_kind activation_softmax = {
    .kind = {.name = "softmax", .help = "exp(x) over its sum, along a sample's first dimension"},
    .gives_probabilities = true,
    .forward = forward,
    .backward = backward,
};
