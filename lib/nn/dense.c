// A fully connected layer. Y = X W' + b (with ' for transposed); dW = dY' X, db = the column sums of dY, dX =
// dY W. X: [batch, inputs], W: [units, inputs], b: [units], Y: [batch, units]. An input of higher rank is
// read as one row of values a sample, as if a flatten stood before.
#include "base/kernel.h"
#include "base/memory.h"
#include "nn/blas.h"
#include "nn/init.h"
#include "nn/layer.h"
#include <string.h>

struct dense_options {
    int64_t units;
    bool bias;
    int init;
    struct choice activation;
};

static const struct field fields[] = {
    {.name = "units",
     .type = FIELD_INT,
     .offset = offsetof(struct dense_options, units),
     .required = true,
     .min = 1,
     .max = 1 << 24,
     .help = "Outputs of the layer, each a weighted sum of all inputs; an image is flattened first"},
    {.name = "bias",
     .type = FIELD_BOOL,
     .offset = offsetof(struct dense_options, bias),
     .fallback = "true",
     .help = "Whether a learned constant is added to each output"},
    INIT_FIELD(struct dense_options),
    ACTIVATION_FIELD(struct dense_options),
    {0},
};

enum { WEIGHT, BIAS };
enum { INPUTS, UNITS }; // in layer_plan.integers

static enum status plan(const void *layer_options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    const struct dense_options *options = layer_options;
    size_t inputs = shape_size(input), units = (size_t)options->units;
    *ret = (struct layer_plan){
        .input = *input,
        .output = {1, {units}},
        .n_tensors = options->bias ? 2 : 1,
        .tensors = {{"weight", {2, {units, inputs}}}, {"bias", {1, {units}}}},
        .integers = {[INPUTS] = inputs, [UNITS] = units},
    };
    return STATUS_OK;
}

static void init(const void *layer_options, const struct layer_plan *plan, unsigned int index,
                 struct random *random, float *values)
{
    const struct dense_options *options = layer_options;
    size_t inputs = plan->integers[INPUTS], units = plan->integers[UNITS];
    if (index == BIAS)
        memset(values, 0, units * sizeof values[0]);
    else
        init_weights((enum init_rule)options->init, &options->activation, inputs, units, random,
                     units * inputs, values);
}

KERNEL static void fill_rows(size_t batch, size_t n, const float *restrict row, float *restrict rows)
{
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++)
            rows[i * n + j] = row[j];
}

KERNEL static void sum_rows(size_t batch, size_t n, const float *restrict rows, float *restrict sums)
{
    for (size_t j = 0; j < n; j++)
        sums[j] = 0;
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++)
            sums[j] += rows[i * n + j];
}

static void forward(const struct layer_pass *pass)
{
    size_t inputs = pass->plan->integers[INPUTS], units = pass->plan->integers[UNITS];
    bool biased = pass->plan->n_tensors > BIAS;
    if (biased)
        fill_rows(pass->batch, units, pass->tensors[BIAS], pass->output);
    blas_gemm(false, true, pass->batch, units, inputs, 1, pass->input, inputs, pass->tensors[WEIGHT], inputs,
              biased ? 1 : 0, pass->output, units);
}

static void backward(const struct layer_pass *pass)
{
    size_t inputs = pass->plan->integers[INPUTS], units = pass->plan->integers[UNITS];
    const float *dy = pass->output_gradient;
    blas_gemm(true, false, units, inputs, pass->batch, 1, dy, units, pass->input, inputs, 0,
              pass->tensor_gradients[WEIGHT], inputs);
    if (pass->plan->n_tensors > BIAS)
        sum_rows(pass->batch, units, dy, pass->tensor_gradients[BIAS]);
    if (pass->input_gradient)
        blas_gemm(false, false, pass->batch, inputs, units, 1, dy, units, pass->tensors[WEIGHT], inputs, 0,
                  pass->input_gradient, inputs);
}

const struct layer_kind layer_dense = {
    .kind = {.name = "dense",
             .help = "Fully connected: every output is a weighted sum of all inputs",
             .fields = fields,
             .options_bytes = sizeof(struct dense_options)},
    .plan = plan,
    .init = init,
    .forward = forward,
    .backward = backward,
};
