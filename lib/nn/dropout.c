// Inverted dropout (Srivastava et al. 2014, section 10): in training a value becomes 0 with probability
// `rate` and is else multiplied by 1 / (1 - rate), so that nothing needs scaling afterwards. Which ones is a
// function of seed, learner, round, step and layer.
#include "base/kernel.h"
#include "config/fields.h"
#include "nn/layer.h"
#include <string.h>

struct dropout_options {
    double rate;
};

static const struct field fields[] = {
    {.name = "rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct dropout_options, rate),
     .fallback = "0.5",
     .min = 0,
     .max = 0.999,
     .help = "Probability that a value is dropped in training"},
    {0},
};

static enum status plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    *ret = (struct layer_plan){.input = *input, .output = *input, .scratch_floats = shape_size(input)};
    return STATUS_OK;
}

enum { WORDS = 1024 };

KERNEL static void compare(size_t n, const uint32_t *restrict words, uint32_t dropped, float kept,
                           float *restrict factors)
{
    for (size_t i = 0; i < n; i++)
        factors[i] = words[i] < dropped ? 0 : kept;
}

// 0 or 1 / (1 - rate) for each value.
static void draw_factors(const struct layer_pass *pass, double rate, size_t n, float *factors)
{
    struct random random = random_open(pass->key);
    uint32_t words[WORDS];
    for (size_t i = 0; i < n; i += WORDS) {
        size_t n_words = n - i < WORDS ? n - i : WORDS;
        random_words(&random, n_words, words);
        compare(n_words, words, (uint32_t)(rate * 0x1p32), (float)(1 / (1 - rate)), factors + i);
    }
}

KERNEL static void multiply(size_t n, const float *restrict a, const float *restrict b, float *restrict ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = a[i] * b[i];
}

static void forward(const struct layer_pass *pass)
{
    size_t n = pass->batch * shape_size(&pass->plan->output);
    if (!pass->training) {
        memcpy(pass->output, pass->input, n * sizeof pass->output[0]);
        return;
    }
    draw_factors(pass, ((const struct dropout_options *)pass->options)->rate, n, pass->scratch);
    multiply(n, pass->input, pass->scratch, pass->output);
}

static void backward(const struct layer_pass *pass)
{
    if (pass->input_gradient)
        multiply(pass->batch * shape_size(&pass->plan->output), pass->output_gradient, pass->scratch,
                 pass->input_gradient);
}

const struct layer_kind layer_dropout = {
    .kind = {.name = "dropout",
             .help = "Sets a random share of the values to zero, in training only",
             .fields = fields,
             .options_bytes = sizeof(struct dropout_options)},
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
