// Every optimizer and every schedule against what nn/optimizer.h promises. A kind without an example fails.
#include "../nn_kit.h"
#include "nn/optimizer.h"
#include <math.h>

struct example {
    const char *kind, *options;
};

static const struct example examples[] = {
    {"adam", ""},
    {"adam", "{learning_rate: 0.05, beta1: 0.8, beta2: 0.99, weight_decay: 0.001}"},
    {"adamw", "{learning_rate: 0.05}"},
    {"sgd", "{learning_rate: 0.1}"},
    {"sgd", "{learning_rate: 0.05, momentum: 0.9, weight_decay: 0.0001}"},
    {"sgd", "{learning_rate: 0.05, momentum: 0.9, nesterov: true}"},
};

static const struct example schedule_examples[] = {
    {"constant", ""},
    {"constant", "{warmup_steps: 10}"},
    {"cosine", "{floor: 0.1, warmup_steps: 5}"},
    {"step", "{every: 7, factor: 0.5, warmup_steps: 3}"},
};

enum { N = 21, STATE = 4 * N };

static void assert_examples(const struct registry *registry, const struct example *rows, size_t n)
{
    for (size_t i = 0; i < registry->n_kinds; i++) {
        bool found = false;
        for (size_t j = 0; j < n; j++)
            found = found || strcmp(rows[j].kind, registry->kinds[i]->name) == 0;
        cr_assert(found, "%s '%s' has no row in the examples: add one or more", registry->what,
                  registry->kinds[i]->name);
    }
}

Test(optimizers, every_kind_has_an_example)
{
    assert_examples(&optimizers, examples, ARRAY_SIZE(examples));
    assert_examples(&schedules, schedule_examples, ARRAY_SIZE(schedule_examples));
}

// Steps on |p - goal|^2 / 2; returns the distance left.
static double descend(const struct choice *choice, int n_steps, size_t n, const float *goal, float *p)
{
    const struct optimizer_kind *kind = (const struct optimizer_kind *)choice->kind;
    float state[STATE] = {0}, gradient[N];
    double distance = 0;
    cr_assert_leq(kind->n_state_vectors(choice->options) * n, STATE);
    for (int step = 1; step <= n_steps; step++) {
        for (size_t i = 0; i < n; i++)
            gradient[i] = p[i] - goal[i];
        kind->step(choice->options, kind->learning_rate(choice->options), (uint64_t)step, n, p, gradient,
                   state, n);
    }
    for (size_t i = 0; i < n; i++)
        distance += pow((double)p[i] - (double)goal[i], 2);
    return sqrt(distance);
}

Test(optimizers, find_the_bottom_of_a_bowl)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct kit kit;
        struct choice choice = kit_choice(&kit, &optimizers, examples[e].kind, examples[e].options);
        cleanup_free float *goal = kit_floats(1, N), *p = kit_floats(2, N);
        double left = descend(&choice, 6000, N, goal, p);
        cr_assert_lt(left, 0.05, "%s %s: %g left", examples[e].kind, examples[e].options, left);
        kit_release(&kit);
    }
}

Test(optimizers, treat_each_parameter_by_itself)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct kit kit;
        struct choice choice = kit_choice(&kit, &optimizers, examples[e].kind, examples[e].options);
        cleanup_free float *goal = kit_floats(1, N), *whole = kit_floats(2, N), *parts = kit_floats(2, N);
        descend(&choice, 5, N, goal, whole);
        descend(&choice, 5, 8, goal, parts);
        descend(&choice, 5, N - 8, goal + 8, parts + 8);
        cr_assert_arr_eq(whole, parts, N * sizeof whole[0], "%s %s", examples[e].kind, examples[e].options);
        kit_release(&kit);
    }
}

Test(optimizers, a_diverged_gradient_is_not_hidden)
{
    for (size_t e = 0; e < ARRAY_SIZE(examples); e++) {
        struct kit kit;
        struct choice choice = kit_choice(&kit, &optimizers, examples[e].kind, examples[e].options);
        float goal[1] = {NAN}, p[1] = {1};
        descend(&choice, 1, 1, goal, p);
        cr_assert(isnan(p[0]), "%s", examples[e].kind);
        kit_release(&kit);
    }
}

Test(schedules, factors_lie_between_zero_and_one_wherever_they_are_asked_for)
{
    const uint64_t totals[] = {0, 1, 4, 100};
    for (size_t e = 0; e < ARRAY_SIZE(schedule_examples); e++) {
        struct kit kit;
        const struct example *example = &schedule_examples[e];
        struct choice choice = kit_choice(&kit, &schedules, example->kind, example->options);
        const struct schedule_kind *kind = (const struct schedule_kind *)choice.kind;
        for (size_t t = 0; t < ARRAY_SIZE(totals); t++) {
            for (uint64_t step = 0; step < 300; step++) {
                double factor = kind->factor(choice.options, step, totals[t]);
                cr_assert(factor >= 0 && factor <= 1, "%s at %lu of %lu: %g", example->kind, step, totals[t],
                          factor);
            }
        }
        kit_release(&kit);
    }
}

Test(schedules, every_kind_can_warm_up_in_a_straight_line)
{
    for (size_t k = 0; k < schedules.n_kinds; k++) {
        struct kit kit;
        const char *name = schedules.kinds[k]->name;
        struct choice choice =
            kit_choice(&kit, &schedules, name,
                       strcmp(name, "step") == 0 ? "{every: 100, warmup_steps: 4}" : "{warmup_steps: 4}");
        const struct schedule_kind *kind = (const struct schedule_kind *)choice.kind;
        for (uint64_t step = 0; step <= 4; step++)
            cr_assert_float_eq(kind->factor(choice.options, step, 100), step < 4 ? (double)(step + 1) / 4 : 1,
                               1e-12, "%s at %lu", name, step);
        kit_release(&kit);
    }
}
