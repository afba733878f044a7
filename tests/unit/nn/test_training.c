#include "nn_kit.h"
#include <math.h>

enum { BATCH = 6, INPUTS = 3, N = INPUTS };

static const struct shape row = {1, {INPUTS}};
static const struct random_key key = {.seed = 1};

// One linear unit without bias under the mean squared error, whose gradient is plain to see.
struct bench {
    struct kit kit;
    struct document document;
    struct trainer *trainer;
    float *parameters, *input, *values;
    struct targets targets;
};

static void open_bench(struct bench *bench, const char *training)
{
    *bench = (struct bench){0};
    kit_model(&bench->kit, "layers: [{dense: {units: 1, bias: false}}]", row, 1, TARGET_VALUES);
    struct training_options options = kit_training(&bench->document, training);
    cr_assert_eq(trainer_new(&bench->trainer, bench->kit.model, &options, BATCH, NULL), STATUS_OK);
    bench->parameters = kit_floats(1, N);
    bench->input = kit_floats(2, BATCH * INPUTS);
    bench->values = kit_floats(3, BATCH);
    bench->targets = (struct targets){TARGET_VALUES, NULL, bench->values};
}

static void close_bench(struct bench *bench)
{
    trainer_free(bench->trainer);
    memory_free(bench->parameters);
    memory_free(bench->input);
    memory_free(bench->values);
    document_release(&bench->document);
    kit_release(&bench->kit);
}

static double step(struct bench *bench)
{
    return trainer_step(bench->trainer, bench->parameters, bench->input, &bench->targets, BATCH, key);
}

static void naive_gradient(const struct bench *bench, const float *parameters, double *ret)
{
    memset(ret, 0, N * sizeof ret[0]);
    for (int i = 0; i < BATCH; i++) {
        const float *x = bench->input + i * INPUTS;
        double difference = -(double)bench->values[i];
        for (int j = 0; j < N; j++)
            difference += (double)parameters[j] * (double)x[j];
        for (int j = 0; j < N; j++)
            ret[j] += 2 * difference * (double)x[j] / BATCH;
    }
}

// The length of the step over the length of the gradient: the rate that was used.
static double rate_of_step(struct bench *bench)
{
    double gradient[N], moved = 0, slope = 0;
    float before[N];
    memcpy(before, bench->parameters, sizeof before);
    naive_gradient(bench, before, gradient);
    step(bench);
    for (int i = 0; i < N; i++) {
        moved += pow((double)before[i] - (double)bench->parameters[i], 2);
        slope += gradient[i] * gradient[i];
    }
    return sqrt(moved / slope);
}

static void assert_rate(struct bench *bench, double expected)
{
    double rate = rate_of_step(bench);
    cr_assert_float_eq(rate, expected, 1e-5, "%g instead of %g", rate, expected);
}

Test(training, a_step_goes_against_the_gradient)
{
    struct bench bench;
    double gradient[N];
    float before[N];
    open_bench(&bench, "optimizer: {kind: sgd, learning_rate: 0.1}");
    memcpy(before, bench.parameters, sizeof before);
    naive_gradient(&bench, before, gradient);
    double loss = step(&bench);
    for (int i = 0; i < N; i++) {
        cr_assert_float_eq(trainer_gradient(bench.trainer)[i], gradient[i], 1e-6);
        cr_assert_float_eq(bench.parameters[i], (double)before[i] - 0.1 * gradient[i], 1e-6);
    }
    cr_assert_lt(step(&bench), loss);
    close_bench(&bench);
}

Test(training, clipping_shortens_a_long_gradient_and_leaves_a_short_one)
{
    struct bench bench;
    double gradient[N], norm = 0;
    open_bench(&bench, "{optimizer: {kind: sgd, learning_rate: 1}, clip_norm: 0.01}");
    naive_gradient(&bench, bench.parameters, gradient);
    step(&bench);
    for (int i = 0; i < N; i++)
        norm += pow((double)trainer_gradient(bench.trainer)[i], 2);
    cr_assert_float_eq(sqrt(norm), 0.01, 1e-7);
    for (int i = 1; i < N; i++) // the direction stays
        cr_assert_float_eq((double)trainer_gradient(bench.trainer)[i] * gradient[0],
                           (double)trainer_gradient(bench.trainer)[0] * gradient[i], 1e-7);
    close_bench(&bench);
    open_bench(&bench, "{optimizer: {kind: sgd, learning_rate: 1}, clip_norm: 1000}");
    naive_gradient(&bench, bench.parameters, gradient);
    step(&bench);
    for (int i = 0; i < N; i++)
        cr_assert_float_eq(trainer_gradient(bench.trainer)[i], gradient[i], 1e-6);
    close_bench(&bench);
}

Test(training, the_norm_counts_every_element)
{
    struct kit kit;
    struct document document = DOCUMENT_INIT;
    struct trainer *trainer;
    kit_model(&kit, "layers: [{dense: {units: 37, bias: false}}]", (struct shape){1, {1}}, 37, TARGET_VALUES);
    struct training_options options =
        kit_training(&document, "{optimizer: {kind: sgd, learning_rate: 1}, clip_norm: 1}");
    cr_assert_eq(trainer_new(&trainer, kit.model, &options, 1, NULL), STATUS_OK);
    for (int last = 0; last < 37; last++) { // one element at each place, longer than the limit
        float parameters[37] = {0};
        memset(trainer_gradient(trainer), 0, sizeof parameters);
        trainer_gradient(trainer)[last] = -4;
        trainer_apply(trainer, parameters);
        cr_assert_float_eq(parameters[last], 1, 1e-6);
    }
    trainer_free(trainer);
    document_release(&document);
    kit_release(&kit);
}

Test(training, the_schedule_counts_from_the_first_step_it_was_given)
{
    struct bench bench;
    open_bench(&bench,
               "{optimizer: {kind: sgd, learning_rate: 0.1}, schedule: {kind: step, every: 2, factor: 0.5}}");
    const double from_zero[] = {0.1, 0.1, 0.05, 0.05, 0.025};
    for (int i = 0; i < 5; i++)
        assert_rate(&bench, from_zero[i]);
    trainer_reset(bench.trainer, 3, 100);
    assert_rate(&bench, 0.05);
    assert_rate(&bench, 0.025);
    close_bench(&bench);
}

Test(training, a_reset_forgets_momentum)
{
    struct bench bench;
    open_bench(&bench, "optimizer: {kind: sgd, learning_rate: 0.01, momentum: 0.9}");
    assert_rate(&bench, 0.01);
    cr_assert(rate_of_step(&bench) > 0.015);
    trainer_reset(bench.trainer, 0, 0);
    assert_rate(&bench, 0.01);
    close_bench(&bench);
}

Test(training, a_step_allocates_nothing)
{
    struct bench bench;
    open_bench(&bench, "{optimizer: adam, clip_norm: 1, schedule: cosine}");
    memory_fail_after(1);
    step(&bench);
    void *next = memory_alloc(1);
    memory_fail_after(0);
    cr_assert_null(next);
    close_bench(&bench);
}

Test(training, running_out_of_memory_is_an_error_wherever_it_happens)
{
    struct bench bench;
    open_bench(&bench, "optimizer: adam");
    struct document document = DOCUMENT_INIT;
    struct training_options options = kit_training(&document, "optimizer: adam");
    for (unsigned long nth = 1; nth <= 6; nth++) {
        struct trainer *trainer = NULL;
        memory_fail_after(nth);
        enum status status = trainer_new(&trainer, bench.kit.model, &options, BATCH, NULL);
        memory_fail_after(0);
        cr_assert_eq(status, STATUS_RESOURCE_EXHAUSTED);
        cr_assert_null(trainer);
    }
    document_release(&document);
    close_bench(&bench);
}

Test(training, defaults_are_plain)
{
    struct document document = DOCUMENT_INIT;
    struct training_options options = kit_training(&document, "");
    cr_assert_str_eq(options.optimizer.kind->name, "sgd");
    cr_assert_str_eq(options.schedule.kind->name, "constant");
    cr_assert_eq(options.batch_size, 32);
    cr_assert_eq(options.local_epochs, 1);
    cr_assert_eq(options.clip_norm, 0);
    document_release(&document);
}

// Steps on a model with layers of every kind that has parameters, inputs that are zero in many columns, part
// by part and with the whole gradient at once.
static void check_parts(const char *training_text, const char *model_text, struct shape shape)
{
    enum { STEPS = 3 };
    struct kit kit = {0};
    struct document document;
    struct trainer *trainers[2];
    kit_model(&kit, model_text, shape, 4, TARGET_CLASS);
    const struct training_options options = kit_training(&document, training_text);
    const size_t n = model_layout(kit.model)->n_parameters, n_inputs = shape_size(&shape);
    int32_t classes[BATCH] = {0, 1, 2, 3, 0, 1};
    const struct targets targets = {TARGET_CLASS, classes, NULL};
    float *input = kit_floats(4, BATCH * n_inputs), *parameters[2] = {kit_floats(5, n), kit_floats(5, n)};
    for (size_t i = 0; i < BATCH * n_inputs; i++)
        input[i] = i % n_inputs % 3 ? 0 : input[i];
    for (int i = 0; i < 2; i++)
        cr_assert_eq(trainer_new(&trainers[i], kit.model, &options, BATCH, NULL), STATUS_OK);
    for (int i = 0; i < STEPS; i++) {
        double loss = trainer_step(trainers[0], parameters[0], input, &targets, BATCH, key);
        cr_assert_eq(loss, model_gradient(kit.model, trainer_workspace(trainers[1]), parameters[1], input,
                                          &targets, BATCH, key, trainer_gradient(trainers[1])));
        trainer_apply(trainers[1], parameters[1]);
        cr_assert_eq(memcmp(parameters[0], parameters[1], n * sizeof(float)), 0, "%s, step %d", training_text,
                     i);
    }
    for (int i = 0; i < 2; i++) {
        trainer_free(trainers[i]);
        memory_free(parameters[i]);
    }
    memory_free(input);
    document_release(&document);
    kit_release(&kit);
}

Test(training, a_step_part_by_part_is_the_step_of_the_whole_gradient)
{
    static const char *const trainings[] = {
        "optimizer: {kind: sgd, learning_rate: 0.1}",
        "optimizer: {kind: sgd, learning_rate: 0.1, weight_decay: 0.01}",
        "optimizer: {kind: sgd, learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01}",
        "optimizer: {kind: sgd, learning_rate: 0.1, momentum: 0.9, nesterov: true}",
        "optimizer: {kind: adam, learning_rate: 0.01}",
        "optimizer: {kind: adamw, learning_rate: 0.01, weight_decay: 0.1}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(trainings); i++) {
        check_parts(trainings[i], "layers: [{dense: {units: 70, activation: relu}}, {dense: {units: 4}}]",
                    (struct shape){1, {100}});
        check_parts(
            trainings[i],
            "layers: [{conv2d: {filters: 3, kernel: 3}}, flatten, layer_norm, {dense: {units: 4, bias: "
            "false}}]",
            (struct shape){3, {1, 6, 6}});
    }
}
