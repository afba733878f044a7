// Every loss against what nn/loss.h promises. A kind without an example here fails the first test.
#include "../nn_kit.h"
#include "nn/loss.h"
#include <math.h>

static const struct {
    const char *kind, *options;
} examples[] = {
    {"binary_cross_entropy", ""},
    {"cross_entropy", ""},
    {"cross_entropy", "{label_smoothing: 0.1}"},
    {"mse", ""},
};

enum { BATCH = 4, OUTPUTS = 5, N = BATCH * OUTPUTS };

struct trial {
    struct kit kit;
    const struct loss_kind *kind;
    const void *options;
    struct targets targets;
    int32_t classes[BATCH];
    float values[N], outputs[N], gradient[N];
};

// Random outputs of size `scale`, and targets of `type` that every loss can read.
static void open_trial(struct trial *trial, size_t example, enum target_type type, float scale)
{
    *trial = (struct trial){0};
    struct choice choice =
        kit_choice(&trial->kit, &losses, examples[example].kind, examples[example].options);
    trial->kind = (const struct loss_kind *)choice.kind;
    trial->options = choice.options;
    trial->targets = (struct targets){type, type == TARGET_CLASS ? trial->classes : NULL,
                                      type == TARGET_VALUES ? trial->values : NULL};
    struct random random = random_open((struct random_key){.seed = 5, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++) {
        trial->outputs[i] = scale * (2 * random_float(&random) - 1);
        trial->values[i] = random_float(&random);
        trial->classes[i / OUTPUTS] = (int32_t)random_below(&random, OUTPUTS);
    }
}

static double evaluate(const struct trial *trial, float *ret_gradient)
{
    return trial->kind->evaluate(trial->options, BATCH, OUTPUTS, trial->outputs, &trial->targets,
                                 ret_gradient);
}

static void close_trial(struct trial *trial)
{
    kit_release(&trial->kit);
}

static bool accepts(size_t example, enum target_type type)
{
    const struct kind *kind = registry_find(&losses, examples[example].kind);
    return kind && ((const struct loss_kind *)kind)->accepts & 1u << type;
}

#define EACH_TRIAL(example, type)                                                                            \
    for (size_t example = 0; (example) < ARRAY_SIZE(examples); (example)++)                                  \
        for (enum target_type type = TARGET_CLASS; (type) <= TARGET_VALUES; (type)++)                        \
            if (accepts(example, type))

Test(losses, every_kind_has_an_example_and_accepts_some_targets)
{
    for (size_t i = 0; i < losses.n_kinds; i++) {
        bool found = false;
        for (size_t j = 0; j < ARRAY_SIZE(examples); j++)
            found = found || strcmp(examples[j].kind, losses.kinds[i]->name) == 0;
        cr_assert(found, "loss '%s' has no row in `examples`: add one or more", losses.kinds[i]->name);
        cr_assert_neq(((const struct loss_kind *)losses.kinds[i])->accepts, 0);
    }
}

Test(losses, gradients_equal_central_differences)
{
    EACH_TRIAL(e, type)
    {
        struct trial trial;
        open_trial(&trial, e, type, 3);
        evaluate(&trial, trial.gradient);
        for (size_t i = 0; i < N; i++) {
            float before = trial.outputs[i], step = 0x1p-8f;
            trial.outputs[i] = before + step;
            double above = evaluate(&trial, NULL);
            trial.outputs[i] = before - step;
            double below = evaluate(&trial, NULL);
            trial.outputs[i] = before;
            cr_expect_float_eq(trial.gradient[i], (above - below) / (2 * (double)step), 1e-6, "%s output %zu",
                               examples[e].kind, i);
        }
        close_trial(&trial);
    }
}

Test(losses, the_value_does_not_depend_on_whether_a_gradient_is_asked_for)
{
    EACH_TRIAL(e, type)
    {
        struct trial trial;
        open_trial(&trial, e, type, 3);
        cr_assert_eq(evaluate(&trial, NULL), evaluate(&trial, trial.gradient), "%s", examples[e].kind);
        close_trial(&trial);
    }
}

Test(losses, huge_outputs_stay_finite)
{
    EACH_TRIAL(e, type)
    {
        struct trial trial;
        open_trial(&trial, e, type, 1e9f);
        cr_assert(isfinite(evaluate(&trial, trial.gradient)), "%s", examples[e].kind);
        for (size_t i = 0; i < N; i++)
            cr_assert(isfinite(trial.gradient[i]), "%s", examples[e].kind);
        close_trial(&trial);
    }
}

Test(losses, a_diverged_output_is_not_hidden)
{
    EACH_TRIAL(e, type)
    {
        struct trial trial;
        open_trial(&trial, e, type, 1);
        trial.outputs[N - 1] = NAN;
        cr_assert_not(isfinite(evaluate(&trial, NULL)), "%s", examples[e].kind);
        close_trial(&trial);
    }
}

Test(losses, probabilities_lie_between_zero_and_one)
{
    EACH_TRIAL(e, type)
    {
        struct trial trial;
        open_trial(&trial, e, type, 100);
        if (trial.kind->probabilities) {
            trial.kind->probabilities(BATCH, OUTPUTS, trial.outputs, trial.gradient);
            for (size_t i = 0; i < N; i++)
                cr_assert(trial.gradient[i] >= 0 && trial.gradient[i] <= 1, "%s", examples[e].kind);
        }
        close_trial(&trial);
    }
}
