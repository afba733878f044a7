// Runs one of the reference problems and prints everything that an independent implementation needs to do the
// same, as JSON: data, parts, initial parameters, the loss curve and the final parameters.
//     reference-dump PROBLEM LEARNERS ROUNDS [YAML [BUFFER]]
// With YAML for the problem's own: `{algorithm: ..., training: ..., model: ...}`. With BUFFER the rounds are
// not in step: each is of so many learners in turn.
#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct problem {
    const char *name;
    const char *yaml;
    size_t n_outputs;
    enum toy_targets targets;
};

static const struct problem problems[] = {
    {"linear",
     "{algorithm: gradient_descent, training: {optimizer: {kind: sgd, learning_rate: 0.05}, batch_size: 16},"
     " model: {layers: [dense: {units: 2}], loss: mse}}",
     2, TOY_VALUES},
    {"logistic",
     "{algorithm: gradient_descent, training: {optimizer: {kind: sgd, learning_rate: 0.5}, batch_size: 16},"
     " model: {layers: [dense: {units: 1}], loss: binary_cross_entropy}}",
     1, TOY_ZERO_OR_ONE},
    {"softmax",
     "{algorithm: gradient_descent, training: {optimizer: {kind: sgd, learning_rate: 0.5}, batch_size: 16},"
     " model: {layers: [dense: {units: 4}], loss: cross_entropy}}",
     4, TOY_CLASSES},
    {"fedavg",
     "{algorithm: fedavg,"
     " training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 8, local_epochs: 2},"
     " model: {layers: [dense: {units: 7, activation: relu}, dense: {units: 3}], loss: cross_entropy}}",
     3, TOY_CLASSES},
};

enum { SEED = 7, N_SAMPLES = 103, N_FEATURES = 5 };

static void print_floats(const char *name, const float *values, size_t n)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%.9g", i > 0 ? ", " : "", (double)values[i]);
    printf("],\n");
}

static void print_integers(const int32_t *values, size_t n)
{
    printf("[");
    for (size_t i = 0; i < n; i++)
        printf("%s%d", i > 0 ? ", " : "", values[i]);
    printf("]");
}

static void print_data(const struct toy *toy)
{
    const struct dataset *dataset = &toy->dataset;
    printf("\"n_samples\": %d, \"seed\": %d,\n", N_SAMPLES, SEED);
    print_floats("features", dataset->features, N_SAMPLES * N_FEATURES);
    print_floats("values", dataset->values, dataset->values ? N_SAMPLES * dataset->n_outputs : 0);
    printf("\"classes\": ");
    print_integers(dataset->classes, dataset->classes ? N_SAMPLES : 0);
    printf(",\n\"parts\": [");
    for (size_t i = 0; i < toy->n_learners; i++) {
        printf("%s", i > 0 ? ",\n" : "");
        print_integers((const int32_t *)toy->parts[i].rows, toy->parts[i].n_samples);
    }
    printf("],\n");
}

static enum status print_initial(const struct loop *loop, struct error *error)
{
    size_t n = loop_n_parameters(loop);
    cleanup_free float *initial = memory_floats(n);
    if (!initial)
        return error_no_memory(error, n * sizeof *initial);
    model_init(loop_model(loop), SEED, initial);
    print_floats("initial", initial, n);
    return STATUS_OK;
}

static enum status run_stale_rounds(struct loop *loop, uint32_t n_learners, uint32_t n_rounds,
                                    uint32_t buffer, struct error *error)
{
    uint32_t who[TOY_LEARNERS_MAX], next = 0;
    TRY(print_initial(loop, error));
    for (uint32_t round = 0; round < n_rounds; round++) {
        for (uint32_t i = 0; i < buffer; i++)
            who[i] = next++ % n_learners;
        TRY(loop_stale_round(loop, who, buffer, error));
    }
    printf("\"losses\": [],\n");
    print_floats("final", loop_parameters(loop), loop_plan(loop)->n_values);
    return STATUS_OK;
}

static enum status run_rounds(struct loop *loop, uint32_t n_rounds, struct error *error)
{
    TRY(print_initial(loop, error));
    printf("\"losses\": [");
    for (uint32_t round = 0; round < n_rounds; round++) {
        double loss;
        TRY(loop_round(loop, false, &loss, error));
        printf("%s%.17g", round > 0 ? ", " : "", loss);
    }
    printf("],\n");
    print_floats("final", loop_parameters(loop), loop_plan(loop)->n_values);
    return STATUS_OK;
}

static enum status run(const struct problem *problem, const char *yaml, size_t n_learners, uint32_t n_rounds,
                       uint32_t buffer, struct error *error)
{
    struct toy toy;
    struct loop *loop = NULL;
    TRY(toy_init(&toy, problem->targets, N_SAMPLES, N_FEATURES, problem->n_outputs, n_learners, error));
    enum status status = loop_new(&loop, yaml, toy.parts, n_learners, SEED, n_rounds, error);
    if (status == STATUS_OK) {
        printf("{");
        print_data(&toy);
        status = buffer ? run_stale_rounds(loop, (uint32_t)n_learners, n_rounds, buffer, error)
                        : run_rounds(loop, n_rounds, error);
        print_floats("own", loop_own(loop, 0), n_learners * loop_plan(loop)->n_own);
        printf("\"learners\": %zu}\n", n_learners);
    }
    loop_free(loop);
    toy_release(&toy);
    return status;
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    int n_learners = argc >= 4 ? atoi(argv[2]) : 0, n_rounds = argc >= 4 ? atoi(argv[3]) : 0;
    int buffer = argc > 5 ? atoi(argv[5]) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(problems); i++)
        if (buffer >= 0 && buffer <= n_learners && n_rounds > 0 && n_learners > 0 &&
            n_learners <= TOY_LEARNERS_MAX && strcmp(problems[i].name, argv[1]) == 0) {
            enum status status = run(&problems[i], argc > 4 ? argv[4] : problems[i].yaml, (size_t)n_learners,
                                     (uint32_t)n_rounds, (uint32_t)buffer, &error);
            if (status != STATUS_OK)
                fprintf(stderr, "%s\n", error.message);
            return status_exit_code(status);
        }
    fprintf(stderr, "usage: reference-dump PROBLEM LEARNERS ROUNDS [YAML [BUFFER]]\n");
    return 2;
}
