#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: fedavg, training: {batch_size: 4, local_epochs: 2}, "                                       \
    "model: {layers: [dense: {units: 3}], loss: cross_entropy}}"

Test(fedavg, the_next_model_is_the_mean_of_the_learners_weighted_by_samples)
{
    struct toy toy;
    struct loop *loop = NULL;
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, 30, 4, 3, 2, NULL), STATUS_OK);
    cr_assert_eq(loop_new(&loop, YAML, toy.parts, 2, 1, 3, NULL), STATUS_OK);
    size_t n = loop_n_parameters(loop);
    double *expected = memory_array(n, sizeof *expected), loss = 0, train_loss;
    for (uint32_t i = 0; i < 2; i++) {
        struct learner_result result;
        cr_assert_eq(loop_learn(loop, i, &result, NULL), STATUS_OK);
        double share = (double)toy.parts[i].n_samples / 30;
        for (size_t k = 0; k < n; k++)
            expected[k] += share * (double)loop_summary(loop)[k];
        loss += share * result.train_loss;
    }
    cr_assert_eq(loop_round(loop, false, &train_loss, NULL), STATUS_OK);
    cr_assert_float_eq(train_loss, loss, 1e-12);
    for (size_t k = 0; k < n; k++)
        cr_assert_float_eq((double)loop_parameters(loop)[k], expected[k], 1e-7);
    memory_free(expected);
    loop_free(loop);
    toy_release(&toy);
}

Test(fedavg, learns)
{
    struct toy toy;
    struct loop *loop = NULL;
    struct evaluation before, after;
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, 300, 4, 3, 5, NULL), STATUS_OK);
    cr_assert_eq(loop_new(&loop, YAML, toy.parts, 5, 1, 20, NULL), STATUS_OK);
    cr_assert_eq(loop_evaluate(loop, &toy.all, &before, NULL), STATUS_OK);
    for (int round = 0; round < 20; round++)
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
    cr_assert_eq(loop_evaluate(loop, &toy.all, &after, NULL), STATUS_OK);
    cr_assert_lt(after.loss, 0.8 * before.loss, "from %g to %g", before.loss, after.loss);
    cr_assert_gt(after.accuracy, 0.6);
    loop_free(loop);
    toy_release(&toy);
}
