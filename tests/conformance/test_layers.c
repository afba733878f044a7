// Every layer kind against what nn/layer.h promises. A kind without an example here fails the first test.
#include "../nn_kit.h"
#include <math.h>

struct example {
    const char *kind;
    const char *options;
    struct shape input;
};

static const struct example examples[] = {
    {"activation", "{function: tanh}", {1, {7}}},
    {"activation", "{function: gelu}", {3, {2, 3, 2}}},
    {"activation", "{function: softmax}", {3, {3, 2, 2}}},
    {"avg_pool2d", "{size: 2}", {3, {2, 4, 7}}},
    {"avg_pool2d", "{size: [3, 2], stride: [2, 1]}", {2, {7, 4}}},
    {"conv2d", "{filters: 3, kernel: 3}", {3, {2, 5, 6}}},
    {"conv2d",
     "{filters: 2, kernel: [2, 3], stride: [1, 2], padding: same, activation: gelu}",
     {3, {3, 6, 5}}},
    {"conv2d", "{filters: 4, kernel: 3, pad: [0, 2], stride: 2}", {3, {2, 5, 4}}},
    {"conv2d", "{filters: 2, kernel: 2, bias: false, activation: tanh}", {2, {5, 4}}},
    {"dense", "{units: 5}", {1, {7}}},
    {"dense", "{units: 1, bias: false}", {1, {1}}},
    {"dense", "{units: 6, activation: relu}", {2, {3, 4}}},
    {"dense", "{units: 4, activation: gelu}", {3, {2, 3, 2}}},
    {"dense", "{units: 9, activation: softmax}", {1, {17}}},
    {"dropout", "", {1, {13}}},
    {"dropout", "{rate: 0.2}", {3, {2, 3, 4}}},
    {"flatten", "", {3, {2, 3, 4}}},
    {"layer_norm", "", {1, {19}}},
    {"layer_norm", "{epsilon: 0.1}", {3, {2, 3, 4}}},
    {"max_pool2d", "{size: 2}", {3, {2, 4, 7}}},
    {"max_pool2d", "{size: [3, 2], stride: [2, 1]}", {3, {2, 5, 3}}},
};

enum { BATCH = 3 };

// The example between a layer that needs its input's gradient and one that gives its output an unequal
// weight.
struct bench {
    struct kit kit;
    struct workspace *workspace;
    float *parameters, *input, *weights, *gradient;
    size_t n_parameters, n_input, n_outputs;
};

static struct random_key step_key(void)
{
    return (struct random_key){.seed = 3, .learner = 1, .round = 2, .step = 5};
}

static void open_bench(struct bench *bench, const struct example *example)
{
    cleanup_free char *text = memory_format("layers: [layer_norm, {%s: %s}, {dense: {units: 3}}]\n",
                                            example->kind, example->options[0] ? example->options : "{}");
    *bench = (struct bench){0};
    kit_model(&bench->kit, text, example->input, 3, TARGET_VALUES);
    cr_assert_eq(workspace_new(&bench->workspace, bench->kit.model, BATCH, true, NULL), STATUS_OK);
    bench->n_parameters = model_layout(bench->kit.model)->n_parameters;
    bench->n_input = shape_size(&example->input);
    bench->n_outputs = model_n_outputs(bench->kit.model);
    bench->parameters = kit_floats(11, bench->n_parameters);
    bench->input = kit_floats(12, BATCH * bench->n_input);
    bench->weights = kit_floats(13, BATCH * bench->n_outputs);
    bench->gradient = kit_floats(14, bench->n_parameters);
}

static void close_bench(struct bench *bench)
{
    workspace_free(bench->workspace);
    memory_free(bench->parameters);
    memory_free(bench->input);
    memory_free(bench->weights);
    memory_free(bench->gradient);
    kit_release(&bench->kit);
}

static const float *train_forward(const struct bench *bench)
{
    return model_forward_training(bench->kit.model, bench->workspace, bench->parameters, bench->input, BATCH,
                                  step_key());
}

static void train_backward(const struct bench *bench, float *ret_gradient)
{
    train_forward(bench);
    model_backward(bench->kit.model, bench->workspace, bench->parameters, BATCH, bench->weights,
                   ret_gradient);
}

// The weighted sum of all outputs, whose gradient the backward pass gives.
static double objective(const struct bench *bench)
{
    const float *outputs = train_forward(bench);
    double sum = 0;
    for (size_t i = 0; i < BATCH * bench->n_outputs; i++)
        sum += (double)outputs[i] * (double)bench->weights[i];
    return sum;
}

static double slope(const struct bench *bench, size_t index, float step)
{
    float before = bench->parameters[index];
    bench->parameters[index] = before + step;
    double above = objective(bench);
    bench->parameters[index] = before - step;
    double below = objective(bench);
    bench->parameters[index] = before;
    return (above - below) / (2 * (double)step);
}

Test(layers, every_kind_has_an_example)
{
    for (size_t i = 0; i < layers.n_kinds; i++) {
        bool found = false;
        for (size_t j = 0; j < ARRAY_SIZE(examples); j++)
            found = found || strcmp(examples[j].kind, layers.kinds[i]->name) == 0;
        cr_assert(found, "layer '%s' has no row in `examples`: add one or more", layers.kinds[i]->name);
    }
}

Test(layers, every_kind_says_what_it_is)
{
    for (size_t i = 0; i < layers.n_kinds; i++) {
        const struct layer_kind *kind = (const struct layer_kind *)layers.kinds[i];
        cr_assert_not_null(kind->kind.help);
        cr_assert_not_null(kind->plan);
        cr_assert_eq(!kind->forward, !kind->backward, "%s has one pass without the other", kind->kind.name);
    }
}

// Where two step lengths disagree the function has a kink (relu, a maximum) there; few places may.
Test(layers, gradients_equal_central_differences)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct bench bench;
        size_t n_kinks = 0;
        open_bench(&bench, &examples[e]);
        train_backward(&bench, bench.gradient);
        for (size_t i = 0; i < bench.n_parameters; i++) {
            double wide = slope(&bench, i, 0x1p-6f), narrow = slope(&bench, i, 0x1p-7f);
            double best = (4 * narrow - wide) / 3, found = (double)bench.gradient[i];
            if (fabs(wide - narrow) > 0.002 * (1 + fabs(narrow)))
                n_kinks++;
            else
                cr_expect_float_eq(found, best, 2e-3 * (1 + fabs(best)),
                                   "%s %s: parameter %zu has gradient %g, differences give %g",
                                   examples[e].kind, examples[e].options, i, found, best);
        }
        cr_expect_leq(n_kinks, bench.n_parameters / 10, "%s: %zu of %zu gradients were not comparable",
                      examples[e].kind, n_kinks, bench.n_parameters);
        close_bench(&bench);
    }
}

Test(layers, backward_overwrites_and_repeats_to_the_bit)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct bench bench;
        open_bench(&bench, &examples[e]);
        float *again = kit_floats(15, bench.n_parameters);
        for (size_t i = 0; i < bench.n_parameters; i++)
            again[i] = NAN;
        train_backward(&bench, bench.gradient);
        train_backward(&bench, again);
        cr_assert_arr_eq(again, bench.gradient, bench.n_parameters * sizeof again[0], "%s", examples[e].kind);
        memory_free(again);
        close_bench(&bench);
    }
}

Test(layers, a_sample_does_not_see_its_neighbours)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct bench bench;
        struct workspace *alone;
        open_bench(&bench, &examples[e]);
        cr_assert_eq(workspace_new(&alone, bench.kit.model, 1, false, NULL), STATUS_OK);
        const float *together =
            model_forward(bench.kit.model, bench.workspace, bench.parameters, bench.input, BATCH);
        for (size_t i = 0; i < BATCH; i++) {
            const float *outputs =
                model_forward(bench.kit.model, alone, bench.parameters, bench.input + i * bench.n_input, 1);
            for (size_t j = 0; j < bench.n_outputs; j++)
                cr_assert_float_eq(outputs[j], together[i * bench.n_outputs + j], 1e-5, "%s",
                                   examples[e].kind);
        }
        workspace_free(alone);
        close_bench(&bench);
    }
}

Test(layers, passes_allocate_nothing)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct bench bench;
        open_bench(&bench, &examples[e]);
        memory_fail_after(1);
        train_backward(&bench, bench.gradient);
        void *next = memory_alloc(1); // still armed: the passes did not use the fault up
        memory_fail_after(0);
        cr_assert_null(next, "%s", examples[e].kind);
        close_bench(&bench);
    }
}

Test(layers, initial_values_are_finite_and_depend_on_the_seed_alone)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct bench bench;
        open_bench(&bench, &examples[e]);
        model_init(bench.kit.model, 7, bench.parameters);
        model_init(bench.kit.model, 7, bench.gradient);
        cr_assert_arr_eq(bench.parameters, bench.gradient, bench.n_parameters * sizeof(float));
        for (size_t i = 0; i < bench.n_parameters; i++)
            cr_assert(isfinite(bench.parameters[i]), "%s", examples[e].kind);
        model_init(bench.kit.model, 8, bench.gradient);
        cr_assert_arr_neq(bench.parameters, bench.gradient, bench.n_parameters * sizeof(float));
        close_bench(&bench);
    }
}
