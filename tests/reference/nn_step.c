// Trains one model for a few steps and prints everything that an independent implementation can check, as
// JSON.
//     nn-step PROBLEM.yaml DATA
// DATA is raw float32: features [batch, input], targets ([batch] classes or [batch, outputs] values),
// parameters.
#include "base/memory.h"
#include "nn/training.h"
#include <stdio.h>
#include <stdlib.h>

struct problem {
    struct model_options model;
    struct training_options training;
    struct int_list input;
    int64_t outputs;
    int targets;
    int64_t batch;
    int64_t steps;
};

static const char *const target_words[] = {[TARGET_CLASS] = "classes", [TARGET_VALUES] = "values", NULL};

#define ROW(member, type_, ...)                                                                              \
    {                                                                                                        \
        .name = #member, .type = type_, .offset = offsetof(struct problem, member), .required = true,        \
        __VA_ARGS__                                                                                          \
    }

static const struct field fields[] = {
    ROW(model, FIELD_SECTION, .fields = model_fields),
    ROW(training, FIELD_SECTION, .fields = training_fields),
    ROW(input, FIELD_INTS, .min = 1, .max = 64),
    ROW(outputs, FIELD_INT, .min = 1, .max = 64),
    ROW(targets, FIELD_WORD, .words = target_words),
    ROW(batch, FIELD_INT, .min = 1, .max = 64),
    ROW(steps, FIELD_INT, .min = 1, .max = 64),
    {0},
};

static struct random_key step_key(int64_t step)
{
    return (struct random_key){.seed = 7, .learner = 1, .round = 2, .step = (uint32_t)step};
}

static void print_floats(const char *name, const float *values, size_t n)
{
    printf(",\n\"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%.9g", i ? ", " : "", (double)values[i]);
    printf("]");
}

static void print_layout(const struct layout *layout)
{
    char shape[128];
    printf("{\"tensors\": [");
    for (size_t i = 0; i < layout->n_tensors; i++) {
        shape_format(&layout->tensors[i].shape, shape, sizeof shape);
        printf("%s[\"%s\", %s]", i ? ", " : "", layout->tensors[i].name, shape);
    }
    printf("]");
}

struct run {
    const struct model *model;
    struct trainer *trainer;
    const float *features;
    struct targets targets;
    float *parameters;
    size_t batch;
};

static void take_steps(struct run *run, int64_t n_steps)
{
    size_t n = model_layout(run->model)->n_parameters;
    struct workspace *workspace = trainer_workspace(run->trainer);
    print_layout(model_layout(run->model));
    print_floats("outputs", model_forward(run->model, workspace, run->parameters, run->features, run->batch),
                 run->batch * model_n_outputs(run->model));
    model_gradient(run->model, workspace, run->parameters, run->features, &run->targets, run->batch,
                   step_key(0), trainer_gradient(run->trainer));
    print_floats("gradient", trainer_gradient(run->trainer), n);
    printf(",\n\"losses\": [");
    trainer_reset(run->trainer, 0, (uint64_t)n_steps);
    for (int64_t step = 0; step < n_steps; step++)
        printf("%s%.17g", step ? ", " : "",
               trainer_step(run->trainer, run->parameters, run->features, &run->targets, run->batch,
                            step_key(step)));
    printf("]");
    print_floats("parameters", run->parameters, n);
    printf("}\n");
}

static enum status run_problem(const struct problem *problem, const struct bytes *data, struct error *error)
{
    struct shape input = {.rank = (unsigned int)problem->input.n};
    struct model *model = NULL;
    struct run run = {.batch = (size_t)problem->batch};
    for (size_t i = 0; i < problem->input.n && i < SHAPE_RANK_MAX; i++)
        input.extents[i] = (size_t)problem->input.values[i];
    TRY(model_new(&model, &problem->model, &input, (size_t)problem->outputs,
                  (enum target_type)problem->targets, error));
    TRY(trainer_new(&run.trainer, model, &problem->training, run.batch, error));

    bool classes = problem->targets == TARGET_CLASS;
    size_t n_features = run.batch * shape_size(&input);
    size_t n_targets = run.batch * (classes ? 1 : (size_t)problem->outputs);
    if (data->n != (n_features + n_targets + model_layout(model)->n_parameters) * sizeof(float))
        return error_set(error, STATUS_INVALID_ARGUMENT, "the data file has %zu bytes: not what fits",
                         data->n);
    float *floats = (float *)(void *)data->data;
    int32_t labels[64] = {0};
    for (size_t i = 0; classes && i < run.batch; i++)
        labels[i] = (int32_t)floats[n_features + i];
    run.model = model;
    run.features = floats;
    run.targets = (struct targets){(enum target_type)problem->targets, labels, floats + n_features};
    run.parameters = floats + n_features + n_targets;
    take_steps(&run, problem->steps);
    trainer_free(run.trainer);
    model_free(model);
    return STATUS_OK;
}

static enum status read_and_run(char **arguments, struct document *document, struct bytes *data,
                                struct error *error)
{
    struct problem problem = {0};
    TRY(document_load(document, arguments[1], error));
    TRY(fields_read(fields, document->root, &problem, &document->arena, error));
    TRY(bytes_read_file(data, arguments[2], 1 << 24, error));
    return run_problem(&problem, data, error);
}

int main(int n_arguments, char **arguments)
{
    struct document document = DOCUMENT_INIT;
    struct bytes data = BYTES_INIT;
    struct error error = ERROR_INIT;
    if (n_arguments != 3)
        return 2;
    enum status status = read_and_run(arguments, &document, &data, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", error.message);
    bytes_release(&data);
    document_release(&document);
    return status_exit_code(status);
}
