// y = x F(x) with F the normal distribution function, F(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel
// 2016); exact, as PyTorch's default, not its tanh approximation. dx = dy (F(x) + x f(x)), f the normal
// density.
#include "base/kernel.h"
#include "nn/activation.h"
#include "nn/vector_math.h"

static inline float normal_distribution(float x)
{
    return 0.5f * (1 + vector_erf(x * 0.707106781f));
}

static inline float normal_density(float x)
{
    return 0.398942280f * vector_exp(-0.5f * x * x);
}

KERNEL static void apply(size_t n, float *restrict values)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= normal_distribution(values[i]);
}

KERNEL static void chain(size_t n, const float *restrict x, float *restrict gradient)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] *= normal_distribution(x[i]) + x[i] * normal_density(x[i]);
}

static void forward(const void *options, size_t batch, const struct shape *shape, float *values)
{
    apply(batch * shape_size(shape), values);
}

static void backward(const void *options, size_t batch, const struct shape *shape, const float *input,
                     const float *output, float *gradient)
{
    chain(batch * shape_size(shape), input, gradient);
}

const struct activation_kind activation_gelu = {
    .kind = {.name = "gelu", .help = "x times the normal distribution function of x, by erf"},
    .keeps_input = true,
    .rectifies = true,
    .forward = forward,
    .backward = backward,
};
