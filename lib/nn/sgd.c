// Stochastic gradient descent, with the semantics of PyTorch's SGD (dampening 0): g += decay * p; with
// momentum v = momentum * v + g, then p -= rate * v, or with Nesterov's form (Sutskever et al. 2013) p -=
// rate * (g + momentum * v).
#include "base/kernel.h"
#include "config/fields.h"
#include "nn/columns.h"
#include "nn/optimizer.h"

struct sgd_options {
    double learning_rate;
    double momentum;
    bool nesterov;
    double weight_decay;
};

static const struct field fields[] = {
    {.name = "learning_rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd_options, learning_rate),
     .fallback = "0.01",
     .min = 0,
     .above = true,
     .help = "Length of a step against the gradient"},
    {.name = "momentum",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd_options, momentum),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "Share of the last step's velocity that is kept"},
    {.name = "nesterov",
     .type = FIELD_BOOL,
     .offset = offsetof(struct sgd_options, nesterov),
     .fallback = "false",
     .help = "Whether the step looks ahead along the velocity; needs momentum"},
    {.name = "weight_decay",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd_options, weight_decay),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "Multiple of the parameters that is added to the gradient (L2 regularisation)"},
    {0},
};

static enum status check(const void *kind_options, struct error *error)
{
    const struct sgd_options *options = kind_options;
    if (options->nesterov && options->momentum == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "nesterov 'true' needs momentum: set momentum, for instance to 0.9");
    return STATUS_OK;
}

static size_t n_state_vectors(const void *options)
{
    return ((const struct sgd_options *)options)->momentum > 0 ? 1 : 0;
}

static double learning_rate(const void *options)
{
    return ((const struct sgd_options *)options)->learning_rate;
}

KERNEL static void descend(size_t n, float rate, float decay, float *restrict p, const float *restrict g)
{
    for (size_t i = 0; i < n; i++)
        p[i] -= rate * (g[i] + decay * p[i]);
}

KERNEL static void descend_heavy(size_t n, float rate, float decay, float momentum, float *restrict p,
                                 const float *restrict g, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + (g[i] + decay * p[i]);
        p[i] -= rate * v[i];
    }
}

KERNEL static void descend_nesterov(size_t n, float rate, float decay, float momentum, float *restrict p,
                                    const float *restrict g, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + decay * p[i];
        v[i] = momentum * v[i] + d;
        p[i] -= rate * (d + momentum * v[i]);
    }
}

static void step(const void *kind_options, double rate, uint64_t step_number, size_t n, float *parameters,
                 const float *gradient, float *state, size_t stride)
{
    const struct sgd_options *options = kind_options;
    float decay = (float)options->weight_decay, momentum = (float)options->momentum;
    if (options->momentum == 0)
        descend(n, (float)rate, decay, parameters, gradient);
    else if (options->nesterov)
        descend_nesterov(n, (float)rate, decay, momentum, parameters, gradient, state);
    else
        descend_heavy(n, (float)rate, decay, momentum, parameters, gradient, state);
}

static bool is_plain(const void *options)
{
    return ((const struct sgd_options *)options)->momentum == 0;
}

static void step_columns(const void *options, double rate, const struct columns *columns, size_t n_rows,
                         float *parameters, const float *gathered, size_t width)
{
    float decay = (float)((const struct sgd_options *)options)->weight_decay;
    columns_descend(columns, n_rows, gathered, width, (float)rate, decay, parameters);
}

const struct optimizer_kind optimizer_sgd = {
    .kind = {.name = "sgd",
             .help = "Stochastic gradient descent, with momentum or without",
             .fields = fields,
             .options_bytes = sizeof(struct sgd_options),
             .check = check},
    .n_state_vectors = n_state_vectors,
    .learning_rate = learning_rate,
    .step = step,
    .steps_columns = is_plain,
    .step_columns = step_columns,
};
