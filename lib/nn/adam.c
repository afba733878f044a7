// Adam (Kingma and Ba 2015, algorithm 1), with the semantics of PyTorch's Adam: weight decay goes into the
// gradient.
//     m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//     p -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
#include "base/kernel.h"
#include "nn/adam_impl.h"
#include <math.h>

static const struct field fields[] = {
    ADAM_FIELDS("0", "Multiple of the parameters that is added to the gradient (L2 regularisation)"),
    {0},
};

size_t adam_n_state_vectors(const void *options)
{
    return 2;
}

double adam_learning_rate(const void *options)
{
    return ((const struct adam_options *)options)->learning_rate;
}

struct coefficients {
    float keep;  // of the parameters
    float decay; // of the parameters, into the gradient
    float beta1, beta2, rest1, rest2;
    float rate;
    float root; // 1 / sqrt(1 - b2^t)
    float epsilon;
};

KERNEL static void step_all(struct coefficients c, size_t n, float *restrict p,
                            const float *restrict gradient, float *restrict m, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        float g = gradient[i] + c.decay * p[i];
        m[i] = c.beta1 * m[i] + c.rest1 * g;
        v[i] = c.beta2 * v[i] + c.rest2 * (g * g);
        p[i] = c.keep * p[i] - c.rate * m[i] / (sqrtf(v[i]) * c.root + c.epsilon);
    }
}

void adam_step(const struct adam_options *options, bool decoupled, double rate, uint64_t step, size_t n,
               float *parameters, const float *gradient, float *state, size_t stride)
{
    double t = (double)step, decay = options->weight_decay;
    struct coefficients c = {
        .keep = (float)(decoupled ? 1 - rate * decay : 1),
        .decay = (float)(decoupled ? 0 : decay),
        .beta1 = (float)options->beta1,
        .beta2 = (float)options->beta2,
        .rest1 = (float)(1 - options->beta1),
        .rest2 = (float)(1 - options->beta2),
        .rate = (float)(rate / (1 - pow(options->beta1, t))),
        .root = (float)(1 / sqrt(1 - pow(options->beta2, t))),
        .epsilon = (float)options->epsilon,
    };
    step_all(c, n, parameters, gradient, state, state + stride);
}

static void step_coupled(const void *options, double rate, uint64_t step, size_t n, float *parameters,
                         const float *gradient, float *state, size_t stride)
{
    adam_step(options, false, rate, step, n, parameters, gradient, state, stride);
}

const struct optimizer_kind optimizer_adam = {
    .kind = {.name = "adam",
             .help = "Steps scaled by running means of the gradient and its square",
             .fields = fields,
             .options_bytes = sizeof(struct adam_options)},
    .n_state_vectors = adam_n_state_vectors,
    .learning_rate = adam_learning_rate,
    .step = step_coupled,
};
