// A fully connected layer. Y = X W' + b (with ' for transposed); dW = dY' X, db = the column sums of dY, dX =
// dY W. X: [batch, inputs], W: [units, inputs], b: [units], Y: [batch, units]. An input of higher rank is
// read as one row of values a sample, as if a flatten stood before.
#include "base/kernel.h"
#include "base/memory.h"
#include "nn/init.h"
#include "nn/layer.h"
#include "nn/linear.h"
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
        .shared_floats = linear_shared_floats(inputs, units),
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

KERNEL static void add_to_rows(size_t batch, size_t n, const float *restrict row, float *restrict rows)
{
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++)
            rows[i * n + j] += row[j];
}

KERNEL static void sum_rows(size_t batch, size_t n, const float *restrict rows, float *restrict sums)
{
    for (size_t j = 0; j < n; j++)
        sums[j] = 0;
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++)
            sums[j] += rows[i * n + j];
}

static struct linear linear_of(const struct layer_pass *pass)
{
    return (struct linear){.batch = pass->batch,
                           .inputs = pass->plan->integers[INPUTS],
                           .units = pass->plan->integers[UNITS],
                           .shared = pass->shared};
}

static void forward(const struct layer_pass *pass)
{
    const struct linear linear = linear_of(pass);
    linear_forward(&linear, pass->input, pass->tensors[WEIGHT], pass->output);
    if (pass->plan->n_tensors > BIAS)
        add_to_rows(pass->batch, linear.units, pass->tensors[BIAS], pass->output);
}

static void backward(const struct layer_pass *pass)
{
    const struct linear linear = linear_of(pass);
    if (pass->input_gradient) // before the sink changes the weights
        linear_input_gradient(&linear, pass->tensors[WEIGHT], pass->output_gradient, pass->input_gradient);
    linear_weight_gradient(&linear, pass->input, pass->output_gradient, pass->tensor_gradients[WEIGHT],
                           pass->sink, pass->tensor_offsets[WEIGHT]);
    if (pass->plan->n_tensors <= BIAS)
        return;
    sum_rows(pass->batch, linear.units, pass->output_gradient, pass->tensor_gradients[BIAS]);
    if (pass->sink)
        pass->sink->take(pass->sink->user, pass->tensor_offsets[BIAS], linear.units,
                         pass->tensor_gradients[BIAS]);
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
    .hands_on = true,
};
