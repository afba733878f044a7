#include "nn_kit.h"

enum { BATCH = 40, WIDTH = 500, N = BATCH * WIDTH };

struct bench {
    struct kit kit;
    const struct layer_kind *kind;
    struct layer_plan plan;
    struct layer_pass pass;
    float *input, *output, *scratch, *gradient, *below;
};

static void open_bench(struct bench *bench, const char *options)
{
    *bench = (struct bench){0};
    struct choice choice = kit_choice(&bench->kit, &layers, "dropout", options);
    bench->kind = (const struct layer_kind *)choice.kind;
    cr_assert_eq(bench->kind->plan(choice.options, &(struct shape){1, {WIDTH}}, &bench->plan, NULL),
                 STATUS_OK);
    cr_assert_eq(bench->plan.scratch_floats, WIDTH);
    bench->input = kit_floats(1, N);
    bench->output = kit_floats(2, N);
    bench->scratch = kit_floats(3, N);
    bench->gradient = kit_floats(4, N);
    bench->below = kit_floats(5, N);
    bench->pass = (struct layer_pass){.plan = &bench->plan,
                                      .options = choice.options,
                                      .batch = BATCH,
                                      .training = true,
                                      .key = {.seed = 3, .purpose = RANDOM_DROPOUT},
                                      .input = bench->input,
                                      .output = bench->output,
                                      .scratch = bench->scratch,
                                      .output_gradient = bench->gradient,
                                      .input_gradient = bench->below};
}

static void close_bench(struct bench *bench)
{
    memory_free(bench->input);
    memory_free(bench->output);
    memory_free(bench->scratch);
    memory_free(bench->gradient);
    memory_free(bench->below);
    kit_release(&bench->kit);
}

Test(dropout, drops_its_share_and_scales_the_rest)
{
    struct bench bench;
    size_t n_dropped = 0;
    open_bench(&bench, "{rate: 0.2}");
    bench.kind->forward(&bench.pass);
    for (size_t i = 0; i < N; i++) {
        n_dropped += bench.output[i] == 0;
        if (bench.output[i] != 0)
            cr_assert_float_eq(bench.output[i], bench.input[i] * 1.25f, 1e-6);
    }
    cr_assert_float_eq((double)n_dropped / N, 0.2, 0.01);
    close_bench(&bench);
}

Test(dropout, the_gradient_goes_where_the_values_went)
{
    struct bench bench;
    open_bench(&bench, "");
    bench.kind->forward(&bench.pass);
    bench.kind->backward(&bench.pass);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(bench.below[i], bench.output[i] == 0 ? 0 : 2 * bench.gradient[i]);
    close_bench(&bench);
}

Test(dropout, each_layer_drops_others)
{
    struct bench bench;
    size_t n_same = 0;
    open_bench(&bench, "");
    bench.kind->forward(&bench.pass);
    memcpy(bench.below, bench.output, N * sizeof(float));
    bench.pass.key.index = 1;
    bench.kind->forward(&bench.pass);
    for (size_t i = 0; i < N; i++)
        n_same += (bench.below[i] == 0) == (bench.output[i] == 0);
    cr_assert_float_eq((double)n_same / N, 0.5, 0.02);
    close_bench(&bench);
}

Test(dropout, does_nothing_out_of_training)
{
    struct bench bench;
    open_bench(&bench, "");
    bench.pass.training = false;
    bench.kind->forward(&bench.pass);
    cr_assert_arr_eq(bench.output, bench.input, N * sizeof(float));
    close_bench(&bench);
}

Test(dropout, a_rate_of_zero_keeps_everything)
{
    struct bench bench;
    open_bench(&bench, "{rate: 0}");
    bench.kind->forward(&bench.pass);
    cr_assert_arr_eq(bench.output, bench.input, N * sizeof(float));
    close_bench(&bench);
}
