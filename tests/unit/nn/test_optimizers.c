// Hand-computed steps of sgd, adam and adamw, and factors of the schedules.
#include "nn/optimizer.h"
#include "nn_kit.h"
#include <math.h>

// Two steps from p = 1 along gradients 0.5 and -0.25.
static void two_steps(const char *kind_name, const char *options, float ret[2])
{
    struct kit kit;
    struct choice choice = kit_choice(&kit, &optimizers, kind_name, options);
    const struct optimizer_kind *kind = (const struct optimizer_kind *)choice.kind;
    const float gradients[2] = {0.5f, -0.25f};
    float p = 1, state[2] = {0};
    cr_assert_leq(kind->n_state_vectors(choice.options), 2);
    for (uint64_t step = 1; step <= 2; step++) {
        kind->step(choice.options, kind->learning_rate(choice.options), step, 1, &p, &gradients[step - 1],
                   state, 1);
        ret[step - 1] = p;
    }
    kit_release(&kit);
}

static const struct {
    const char *kind, *options;
    double after[2];
} steps[] = {
    {"sgd", "{learning_rate: 0.1}", {0.95, 0.975}},
    // v = 0.5, then 0.9 * 0.5 - 0.25 = 0.2
    {"sgd", "{learning_rate: 0.1, momentum: 0.9}", {0.95, 0.93}},
    // 0.5 + 0.9 * 0.5 = 0.95, then -0.25 + 0.9 * 0.2 = -0.07
    {"sgd", "{learning_rate: 0.1, momentum: 0.9, nesterov: true}", {0.905, 0.912}},
    // 0.5 + 0.2 * 1 = 0.7, then -0.25 + 0.2 * 0.93 = -0.064
    {"sgd", "{learning_rate: 0.1, weight_decay: 0.2}", {0.93, 0.9364}},
    // The first step of adam is the rate, whatever the gradient; m = 0.02, v = 0.0003 in the second.
    {"adam", "{learning_rate: 0.1}", {0.9, 0.9 - 0.1 * (0.02 / 0.19) / 0.395284707}},
    // Before each step p loses 0.1 * 0.5 of itself.
    {"adamw",
     "{learning_rate: 0.1, weight_decay: 0.5}",
     {0.85, 0.95 * 0.85 - 0.1 * (0.02 / 0.19) / 0.395284707}},
};

Test(optimizers, take_the_steps_that_a_hand_computes)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        float found[2];
        two_steps(steps[i].kind, steps[i].options, found);
        for (int j = 0; j < 2; j++)
            cr_expect_float_eq(found[j], steps[i].after[j], 2e-5, "%s %s, step %d: %g, not %g", steps[i].kind,
                               steps[i].options, j + 1, (double)found[j], steps[i].after[j]);
    }
}

Test(optimizers, nesterov_without_momentum_is_refused)
{
    const char *text = "optimizer: {kind: sgd, nesterov: true}";
    struct training_options options = {0};
    struct kit kit = {0};
    cr_assert_eq(kit_read(&kit, training_fields, text, &options), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(kit.error.message, "momentum"));
    kit_release(&kit);
}

static double factor(const char *kind, const char *options, uint64_t step, uint64_t n_steps)
{
    struct kit kit;
    struct choice choice = kit_choice(&kit, &schedules, kind, options);
    double value = ((const struct schedule_kind *)choice.kind)->factor(choice.options, step, n_steps);
    kit_release(&kit);
    return value;
}

Test(schedules, constant_stays)
{
    for (uint64_t step = 0; step < 5; step++)
        cr_assert_eq(factor("constant", "", step, 5), 1);
}

Test(schedules, step_falls_at_its_steps)
{
    const double expected[] = {1, 1, 0.5, 0.5, 0.25, 0.25};
    for (uint64_t step = 0; step < 6; step++) {
        double found = factor("step", "{every: 2, factor: 0.5}", step, 6);
        cr_assert_float_eq(found, expected[step], 1e-12);
        found = factor("step", "{every: 2, factor: 0.5, warmup_steps: 10}", step + 10, 6);
        cr_assert_float_eq(found, expected[step], 1e-12);
    }
}

Test(schedules, cosine_passes_its_middle_and_ends_at_its_floor)
{
    double start = factor("cosine", "{floor: 0.2, warmup_steps: 10}", 10, 110);
    double middle = factor("cosine", "{floor: 0.2, warmup_steps: 10}", 60, 110);
    double end = factor("cosine", "{floor: 0.2, warmup_steps: 10}", 110, 110);
    double beyond = factor("cosine", "{floor: 0.2, warmup_steps: 10}", 1000, 110);
    cr_assert_float_eq(start, 1, 1e-12);
    cr_assert_float_eq(middle, 0.6, 1e-12);
    cr_assert_float_eq(end, 0.2, 1e-12);
    cr_assert_float_eq(beyond, 0.2, 1e-12);
}
