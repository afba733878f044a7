// Times one training step (forward, backward, SGD's update) of three models on one thread and prints the
// medians as JSON. bench/step_torch.py does the same in PyTorch; bench/step.sh runs both by turns.
#include "base/clock.h"
#include "base/memory.h"
#include "nn/blas.h"
#include "nn/training.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    const char *name, *yaml;
    struct shape input;
    size_t batch, n_steps;
};

struct experiment {
    struct model_options model;
    struct training_options training;
};

static const struct field experiment_fields[] = {
    {.name = "model",
     .type = FIELD_SECTION,
     .offset = offsetof(struct experiment, model),
     .fields = model_fields},
    {.name = "training",
     .type = FIELD_SECTION,
     .offset = offsetof(struct experiment, training),
     .fields = training_fields},
    {0},
};

#define DENSE(units) "    - dense: {units: " #units ", activation: relu}\n"
#define CONV(n)      "    - conv2d: {filters: " #n ", kernel: 5, padding: same, activation: relu}\n"
#define POOL         "    - max_pool2d: {size: 2}\n"
#define HEAD         "model:\n  loss: cross_entropy\n  layers:\n"
#define TAIL         "    - dense: {units: 10}\ntraining: {optimizer: {kind: sgd, learning_rate: 0.01}}\n"

enum { N_CLASSES = 10 };

static const struct subject subjects[] = {
    {"mlp 784-512-256-10, batch 64", HEAD DENSE(512) DENSE(256) TAIL, {1, {784}}, 64, 300},
    {"mlp 784-256-128-10, batch 32", HEAD DENSE(256) DENSE(128) TAIL, {1, {784}}, 32, 600},
    {"cnn 5x5x32 5x5x64 512 10, batch 64",
     HEAD CONV(32) POOL CONV(64) POOL DENSE(512) TAIL,
     {3, {1, 28, 28}},
     64,
     20},
};

struct bench {
    struct document document;
    struct experiment experiment;
    struct model *model;
    struct trainer *trainer;
    float *parameters, *input;
    int32_t *classes;
    double *milliseconds;
};

static enum status bench_open(struct bench *bench, const struct subject *subject, struct error *error)
{
    TRY(document_parse(&bench->document, subject->yaml, strlen(subject->yaml), subject->name, error));
    TRY(fields_read(experiment_fields, bench->document.root, &bench->experiment, &bench->document.arena,
                    error));
    TRY(model_new(&bench->model, &bench->experiment.model, &subject->input, N_CLASSES, TARGET_CLASS, error));
    TRY(trainer_new(&bench->trainer, bench->model, &bench->experiment.training, subject->batch, error));
    const size_t n_parameters = model_layout(bench->model)->n_parameters;
    const size_t n_input = subject->batch * shape_size(&subject->input);
    bench->parameters = memory_floats(n_parameters);
    bench->input = memory_floats(n_input);
    bench->classes = memory_array(subject->batch, sizeof bench->classes[0]);
    bench->milliseconds = memory_array(subject->n_steps, sizeof bench->milliseconds[0]);
    if (!bench->parameters || !bench->input || !bench->classes || !bench->milliseconds)
        return error_no_memory(error, (n_parameters + n_input) * sizeof(float));
    model_init(bench->model, 1, bench->parameters);
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < n_input; i++)
        bench->input[i] = random_float(&random);
    for (size_t i = 0; i < subject->batch; i++)
        bench->classes[i] = (int32_t)random_below(&random, N_CLASSES);
    return STATUS_OK;
}

static void bench_release(struct bench *bench)
{
    trainer_free(bench->trainer);
    model_free(bench->model);
    document_release(&bench->document);
    memory_free(bench->parameters);
    memory_free(bench->input);
    memory_free(bench->classes);
    memory_free(bench->milliseconds);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

// The median step, in milliseconds.
static double bench_run(struct bench *bench, const struct subject *subject)
{
    const struct targets targets = {.type = TARGET_CLASS, .classes = bench->classes};
    const size_t n_warm_up = subject->n_steps / 5 + 2;
    for (size_t i = 0; i < n_warm_up + subject->n_steps; i++) {
        int64_t start = clock_monotonic_ns();
        trainer_step(bench->trainer, bench->parameters, bench->input, &targets, subject->batch,
                     (struct random_key){.seed = 1, .step = (uint32_t)i});
        if (i >= n_warm_up)
            bench->milliseconds[i - n_warm_up] = (double)(clock_monotonic_ns() - start) / 1e6;
    }
    qsort(bench->milliseconds, subject->n_steps, sizeof bench->milliseconds[0], compare);
    return bench->milliseconds[subject->n_steps / 2];
}

int main(void)
{
    memory_tune_for_streams();
    blas_open();
    char blas[64];
    blas_describe(blas, sizeof blas);
    printf("{\"library\": \"cohort %s, %s\", \"milliseconds\": {", COHORT_VERSION, blas);
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        struct bench bench = {0};
        struct error error = ERROR_INIT;
        enum status status = bench_open(&bench, &subjects[i], &error);
        if (status == STATUS_OK)
            printf("%s\"%s\": %.4f", i ? ", " : "", subjects[i].name, bench_run(&bench, &subjects[i]));
        bench_release(&bench);
        if (status != STATUS_OK) {
            fprintf(stderr, "bench-step: %s\n", error.message);
            return status_exit_code(status);
        }
    }
    printf("}}\n");
    return 0;
}
