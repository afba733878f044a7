#include "algorithm/plain_sgd.h"
#include "problem.h"

TestSuite(plain_sgd, .init = make_problem, .fini = free_problem);

static void expect_refusal(const char *algorithm, const char *training, const char *message)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(problem_open(&loop, algorithm, training, PROBLEM_LINEAR, toy.parts, 1, &error),
                 STATUS_INVALID_ARGUMENT, "%s with %s", algorithm, training);
    cr_assert(strstr(error.message, message) && strstr(error.message, algorithm), "%s", error.message);
}

Test(plain_sgd, training_by_other_steps_is_refused_with_what_to_do)
{
    const char *names[] = {"scaffold", "q_fedavg"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        expect_refusal(names[i], "optimizer: adam", "choose sgd");
        expect_refusal(names[i], "optimizer: {kind: sgd, momentum: 0.9}", "set momentum to 0");
        expect_refusal(names[i], "clip_norm: 1", "clip_norm '1' must be 0");
    }
}

// The sum of the rates of `round` of 4, by a learner of 15 samples.
static double rates_of(const char *yaml, uint32_t round)
{
    struct arena arena = ARENA_INIT;
    struct document document = DOCUMENT_INIT;
    struct training_options training = {0};
    const struct learner_step step = {
        .training = &training, .part = &toy.parts[1], .round = round, .rounds = 4};
    cr_assert_eq(document_parse(&document, yaml, strlen(yaml), "test", NULL), STATUS_OK);
    cr_assert_eq(fields_read(training_fields, document.root, &training, &arena, NULL), STATUS_OK);
    double rates = plain_sgd_rates(&step);
    arena_release(&arena);
    document_release(&document);
    return rates;
}

Test(plain_sgd, rates_are_summed_over_the_rounds_steps)
{
    // Batches of 4, 4, 4 and 3 samples, twice.
    const char *plain = "{optimizer: {kind: sgd, learning_rate: 0.5}, batch_size: 4, local_epochs: 2}";
    cr_assert_float_eq(rates_of(plain, 1), 8 * 0.5, 1e-12);
    cr_assert_float_eq(rates_of(plain, 3), 8 * 0.5, 1e-12);
    // In round 2 of two steps each while warming up: steps 3 and 4 of 1000.
    const char *rising = "{optimizer: {kind: sgd, learning_rate: 2}, batch_size: 8,"
                         " schedule: {kind: constant, warmup_steps: 1000}}";
    cr_assert_float_eq(rates_of(rising, 2), 2 * (0.003 + 0.004), 1e-12);
}
