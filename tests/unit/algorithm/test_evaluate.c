#include "algorithm/algorithm.h"
#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: fedavg, training: {batch_size: 7}, model: {layers: [dense: {units: 3}], loss: "             \
    "cross_entropy}}"

enum { N_SAMPLES = 45, N_FEATURES = 4 };

static struct toy toy;
static struct loop *loop;

static void open_all(void)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, N_FEATURES, 3, 1, &error), STATUS_OK);
    cr_assert_eq(loop_new(&loop, YAML, toy.parts, 1, 1, 1, &error), STATUS_OK, "%s", error.message);
}

static void free_all(void)
{
    loop = loop_free(loop);
    toy_release(&toy);
}

TestSuite(evaluate, .init = open_all, .fini = free_all);

Test(evaluate, is_the_mean_over_samples_whatever_the_batch)
{
    const float *parameters = loop_parameters(loop);
    double loss = 0;
    size_t n_correct = 0;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        double outputs[3], sum = 0;
        for (size_t k = 0; k < 3; k++) {
            outputs[k] = (double)parameters[3 * N_FEATURES + k];
            for (size_t f = 0; f < N_FEATURES; f++)
                outputs[k] +=
                    (double)parameters[k * N_FEATURES + f] * (double)toy.dataset.features[i * N_FEATURES + f];
            sum += exp(outputs[k]);
        }
        double right = outputs[toy.dataset.classes[i]];
        loss += log(sum) - right;
        n_correct += right >= fmax(outputs[0], fmax(outputs[1], outputs[2]));
    }
    for (size_t max_batch = 1; max_batch <= 64; max_batch += 21) {
        struct workspace *workspace = NULL;
        struct evaluation evaluation;
        cr_assert_eq(workspace_new(&workspace, loop_model(loop), max_batch, false, NULL), STATUS_OK);
        cr_assert_eq(
            evaluate(loop_model(loop), workspace, max_batch, parameters, &toy.all, &evaluation, NULL),
            STATUS_OK);
        cr_assert_eq(evaluation.n_samples, N_SAMPLES);
        cr_assert_float_eq(evaluation.loss, loss / N_SAMPLES, 1e-6);
        cr_assert_eq(evaluation.accuracy, (double)n_correct / N_SAMPLES);
        workspace_free(workspace);
    }
}

Test(evaluate, refuses_a_part_without_samples)
{
    struct evaluation evaluation;
    struct error error = ERROR_INIT;
    struct part none = {.dataset = &toy.dataset};
    cr_assert_eq(loop_evaluate(loop, &none, &evaluation, &error), STATUS_FAILED_PRECONDITION);
    cr_assert(strstr(error.message, "no samples"), "%s", error.message);
}

Test(evaluate, running_out_of_memory_is_an_error)
{
    struct evaluation evaluation;
    memory_fail_after(1);
    cr_assert_eq(loop_evaluate(loop, &toy.all, &evaluation, NULL), STATUS_RESOURCE_EXHAUSTED);
    memory_fail_after(0);
}
