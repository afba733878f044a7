#include "nn_kit.h"
#include <math.h>

enum { BATCH = 3 };

struct bench {
    struct kit kit;
    const struct layer_kind *kind;
    struct layer_plan plan;
    struct layer_pass pass;
    float *buffers[9];
};

static void open_bench(struct bench *bench, const char *options, size_t n)
{
    *bench = (struct bench){0};
    struct choice choice = kit_choice(&bench->kit, &layers, "layer_norm", options);
    bench->kind = (const struct layer_kind *)choice.kind;
    cr_assert_eq(bench->kind->plan(choice.options, &(struct shape){1, {n}}, &bench->plan, NULL), STATUS_OK);
    for (int i = 0; i < 9; i++)
        bench->buffers[i] = kit_floats((uint64_t)i, BATCH * n + 2 * BATCH);
    float **b = bench->buffers;
    bench->pass = (struct layer_pass){.plan = &bench->plan,
                                      .options = choice.options,
                                      .batch = BATCH,
                                      .training = true,
                                      .input = b[0],
                                      .output = b[1],
                                      .scratch = b[2],
                                      .tensors = {b[3], b[4]},
                                      .output_gradient = b[5],
                                      .input_gradient = b[6],
                                      .tensor_gradients = {b[7], b[8]}};
}

static void close_bench(struct bench *bench)
{
    for (int i = 0; i < 9; i++)
        memory_free(bench->buffers[i]);
    kit_release(&bench->kit);
}

Test(layer_norm, is_its_equation)
{
    const size_t sizes[] = {1, 2, 7, 8, 9, 100};
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct bench bench;
        size_t n = sizes[s];
        open_bench(&bench, "{epsilon: 0.01}", n);
        bench.kind->forward(&bench.pass);
        for (size_t i = 0; i < BATCH; i++) {
            const float *x = bench.pass.input + i * n;
            double mean = 0, variance = 0;
            for (size_t j = 0; j < n; j++)
                mean += (double)x[j] / (double)n;
            for (size_t j = 0; j < n; j++)
                variance += pow((double)x[j] - mean, 2) / (double)n;
            for (size_t j = 0; j < n; j++) {
                double h = ((double)x[j] - mean) / sqrt(variance + 0.01);
                double y = (double)bench.pass.tensors[0][j] * h + (double)bench.pass.tensors[1][j];
                cr_expect_float_eq(bench.pass.output[i * n + j], y, 1e-5, "%zu values", n);
            }
        }
        close_bench(&bench);
    }
}

Test(layer_norm, equal_values_become_the_bias)
{
    struct bench bench;
    open_bench(&bench, "", 12);
    for (size_t i = 0; i < BATCH * 12; i++)
        ((float *)bench.pass.input)[i] = 1e6f;
    bench.kind->forward(&bench.pass);
    for (size_t i = 0; i < BATCH * 12; i++)
        cr_assert_float_eq(bench.pass.output[i], bench.pass.tensors[1][i % 12], 1e-6);
    close_bench(&bench);
}

Test(layer_norm, a_shift_of_the_input_has_no_gradient)
{
    struct bench bench;
    open_bench(&bench, "", 31);
    bench.kind->forward(&bench.pass);
    bench.kind->backward(&bench.pass);
    for (size_t i = 0; i < BATCH; i++) {
        double sum = 0;
        for (size_t j = 0; j < 31; j++)
            sum += (double)bench.pass.input_gradient[i * 31 + j];
        cr_assert_float_eq(sum, 0, 1e-5);
    }
    close_bench(&bench);
}

Test(layer_norm, starts_as_the_plain_normalization)
{
    struct bench bench;
    float values[2][5];
    open_bench(&bench, "", 5);
    for (unsigned int t = 0; t < 2; t++)
        bench.kind->init(bench.pass.options, &bench.plan, t, NULL, values[t]);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(values[0][i], 1);
        cr_assert_eq(values[1][i], 0);
    }
    close_bench(&bench);
}
