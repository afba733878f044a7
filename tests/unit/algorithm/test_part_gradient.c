// What gradient_descent and distributed_collaborative take their steps along.
#include "algorithm/part_gradient.h"
#include "problem.h"

TestSuite(part_gradient, .init = make_problem, .fini = free_problem);

static struct learner_result gradient_at(struct loop *loop, int64_t batch_size, const struct part *part,
                                         const float *parameters, float *ret)
{
    struct training_options training = *loop_reupdate_step(loop).training;
    struct learner_result result = {0};
    struct error error = ERROR_INIT;
    training.batch_size = batch_size;
    struct learner_step step = {
        .training = &training, .model = loop_model(loop), .part = part, .seed = 1, .round = 1, .rounds = 1};
    cr_assert_eq(trainer_new(&step.trainer, step.model, &training, (size_t)batch_size, NULL), STATUS_OK);
    cr_assert_eq(part_gradient(&step, parameters, &result, &error), STATUS_OK, "%s", error.message);
    memcpy(ret, trainer_gradient(step.trainer), loop_n_parameters(loop) * sizeof(float));
    trainer_free(step.trainer);
    return result;
}

Test(part_gradient, of_the_whole_is_the_weighted_mean_of_those_of_parts)
{
    struct loop *loop = problem_of("gradient_descent", "batch_size: 8", PROBLEM_NETWORK);
    size_t n = loop_n_parameters(loop);
    cleanup_free float *whole = memory_floats(n), *part = memory_floats(n), *mean = memory_floats(n);
    double loss = 0;
    struct learner_result all = gradient_at(loop, 100, &toy.all, loop_parameters(loop), whole);
    for (uint32_t i = 0; i < PROBLEM_LEARNERS; i++) {
        struct learner_result one = gradient_at(loop, 4, &toy.parts[i], loop_parameters(loop), part);
        float share = (float)toy.parts[i].n_samples / PROBLEM_SAMPLES;
        cr_assert_eq(one.weight, toy.parts[i].n_samples);
        loss += (double)share * one.train_loss;
        for (size_t k = 0; k < n; k++)
            mean[k] += share * part[k];
    }
    assert_near(mean, whole, n, 1e-6);
    cr_assert_float_eq(loss, all.train_loss, 1e-6);
    loop_free(loop);
}
