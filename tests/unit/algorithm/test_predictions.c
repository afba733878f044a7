// Algorithms that exchange predictions, in the loop of a small problem.
#include "algorithm/predictions.h"
#include "problem.h"

enum { N_PROBE = 20, N_CLASSES = 3 };

TestSuite(predictions, .init = make_problem, .fini = free_problem);

static const char *const kinds[] = {"infomax", "entropymax", "mutual"};

static enum status open_with(struct loop **ret, const char *algorithm, int n_probe, const char *model,
                             size_t n_learners, struct error *error)
{
    cleanup_free char *yaml =
        memory_format("{algorithm: %s, probe: %d, training: {optimizer: {kind: sgd, "
                      "learning_rate: 0.1}, batch_size: 8, local_epochs: 3}, model: %s}",
                      algorithm, n_probe, model);
    return loop_new(ret, yaml, toy.parts, n_learners, 1, PROBLEM_ROUNDS, error);
}

#define CLASSIFIER "{layers: " PROBLEM_NETWORK ", loss: cross_entropy}"

static struct loop *open_kind(const char *algorithm)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_with(&loop, algorithm, N_PROBE, CLASSIFIER, PROBLEM_LEARNERS, &error), STATUS_OK, "%s",
                 error.message);
    return loop;
}

Test(predictions, lengths_are_those_of_predictions_whatever_the_model)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct loop *loop = open_kind(kinds[i]);
        const struct algorithm_plan *plan = loop_plan(loop);
        cr_assert_eq(plan->shares, SHARES_VALUES);
        cr_assert_eq(plan->n_values, N_PROBE * N_CLASSES);
        cr_assert_eq(plan_summary_values(plan), N_PROBE * N_CLASSES);
        cr_assert_geq(plan->n_own, loop_n_parameters(loop) + N_PROBE * N_CLASSES);
        loop_free(loop);
    }
}

Test(predictions, the_consensus_is_a_distribution_for_every_sample)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct loop *loop = open_kind(kinds[i]);
        problem_run(loop, 3);
        for (size_t k = 0; k < N_PROBE; k++) {
            const float *row = loop_parameters(loop) + k * N_CLASSES;
            cr_assert_float_eq((double)row[0] + (double)row[1] + (double)row[2], 1, 1e-6);
            cr_assert(row[0] >= 0 && row[1] >= 0 && row[2] >= 0);
        }
        loop_free(loop);
    }
}

// The mean over learners and samples of the distance of their predictions from the consensus.
static double disagreement(struct loop *loop)
{
    double sum = 0;
    size_t n_parameters = loop_n_parameters(loop);
    for (uint32_t i = 0; i < PROBLEM_LEARNERS; i++)
        sum +=
            norm_of_difference(loop_own(loop, i) + n_parameters, loop_parameters(loop), N_PROBE * N_CLASSES);
    return sum;
}

static double disagreement_of(const char *algorithm)
{
    struct loop *loop = open_kind(algorithm);
    problem_run(loop, PROBLEM_ROUNDS);
    double found = disagreement(loop);
    loop_free(loop);
    return found;
}

Test(predictions, learners_agree_the_more_the_more_that_weighs)
{
    static const char *const settings[][3] = {
        {"{kind: infomax, beta: 0, alpha: 0}", "{kind: infomax, beta: 0, alpha: 3}",
         "{kind: infomax, beta: 0, alpha: 30}"},
        {"{kind: mutual, alpha: 0}", "{kind: mutual, alpha: 0.5}", "{kind: mutual, alpha: 5}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        double none = disagreement_of(settings[i][0]), some = disagreement_of(settings[i][1]),
               much = disagreement_of(settings[i][2]);
        cr_assert_lt(some, 0.9 * none, "%s: %g of %g", settings[i][1], some, none);
        cr_assert_lt(much, 0.7 * some, "%s: %g of %g", settings[i][2], much, some);
    }
}

// Mean entropy over the training samples, in nats, of all learners' models.
static double entropy_of(const char *algorithm)
{
    struct loop *loop = open_kind(algorithm);
    struct workspace *workspace = NULL;
    struct batch batch = BATCH_INIT;
    double p[PROBLEM_SAMPLES * N_CLASSES], sum = 0;
    problem_run(loop, PROBLEM_ROUNDS);
    cr_assert_eq(workspace_new(&workspace, loop_model(loop), PROBLEM_SAMPLES, false, NULL), STATUS_OK);
    cr_assert_eq(batch_init(&batch, &toy.all, PROBLEM_SAMPLES, NULL), STATUS_OK);
    batch_load(&batch, &toy.all, NULL, 0, PROBLEM_SAMPLES);
    for (uint32_t i = 0; i < PROBLEM_LEARNERS; i++) {
        const float *outputs =
            model_forward(loop_model(loop), workspace, loop_own(loop, i), batch.features, PROBLEM_SAMPLES);
        predictions_softmax(outputs, PROBLEM_SAMPLES, N_CLASSES, 1, p);
        for (size_t k = 0; k < ARRAY_SIZE(p); k++)
            sum -= p[k] * log(p[k]) / (PROBLEM_SAMPLES * PROBLEM_LEARNERS);
    }
    batch_release(&batch);
    workspace_free(workspace);
    loop_free(loop);
    return sum;
}

Test(predictions, gamma_keeps_predictions_from_confidence)
{
    double without = entropy_of("{kind: entropymax, alpha: 0, beta: 0, gamma: 0}");
    double with = entropy_of("{kind: entropymax, alpha: 0, beta: 0, gamma: 1}");
    cr_assert_gt(with, without + 0.1, "%g, %g", with, without);
    cr_assert_float_eq(without, entropy_of("{kind: infomax, alpha: 0, beta: 0}"), 1e-12);
}

Test(predictions, beta_makes_predictions_sure)
{
    double without = entropy_of("{kind: infomax, alpha: 0, beta: 0}");
    cr_assert_lt(entropy_of("{kind: infomax, alpha: 0, beta: 2}"), 0.9 * without);
}

Test(predictions, a_failed_step_leaves_what_a_learner_keeps)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct loop *loop = open_kind(kinds[i]);
        struct learner_result result;
        problem_run(loop, 1);
        size_t bytes = loop_plan(loop)->n_own * sizeof(float);
        cleanup_free float *before = memory_floats(loop_plan(loop)->n_own);
        memcpy(before, loop_own(loop, 1), bytes);
        enum status status = STATUS_RESOURCE_EXHAUSTED;
        for (unsigned long nth = 1; status != STATUS_OK; nth++) {
            cr_assert_eq(memcmp(before, loop_own(loop, 1), bytes), 0, "%s, allocation %lu", kinds[i], nth);
            memory_fail_after(nth);
            status = loop_learn(loop, 1, &result, NULL);
            cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED);
        }
        memory_fail_after(0);
        cr_assert_neq(memcmp(before, loop_own(loop, 1), bytes), 0);
        loop_free(loop);
    }
}

Test(predictions, what_cannot_be_compared_is_refused)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct loop *loop = NULL;
        struct error error = ERROR_INIT;
        cr_assert_eq(open_with(&loop, kinds[i], 0, CLASSIFIER, 3, &error), STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "add data.probe"), "%s", error.message);
        cr_assert(strstr(error.message, kinds[i]), "%s", error.message);
        loop = NULL;
        cr_assert_eq(open_with(&loop, kinds[i], N_PROBE,
                               "{layers: " PROBLEM_NETWORK ", loss: binary_cross_entropy}", 3, &error),
                     STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "use the loss cross_entropy"), "%s", error.message);
    }
}
