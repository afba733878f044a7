#include "base/memory.h"
#include "base/philox.h"
#include "simulation/attack.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 4000 };

static const struct attack_kind *kind_of(const char *name)
{
    const struct kind *kind = registry_find(&attacks, name);
    cr_assert_not_null(kind, "%s", name);
    return (const struct attack_kind *)(const void *)kind;
}

// Laid out as sign_flip.c, scaled_noise.c and little_is_enough.c declare their options.
struct options {
    struct chosen chosen;
    double value;
};

Test(attack, a_label_flip_turns_the_classes_round)
{
    const struct attack_kind *kind = kind_of("label_flip");
    cr_assert_eq(kind->label(0, 10), 9);
    cr_assert_eq(kind->label(9, 10), 0);
    cr_assert_eq(kind->label(1, 3), 1);
    cr_assert_null(kind->summary);
}

Test(attack, a_sign_flip_turns_the_update_round)
{
    const struct options options = {.chosen = {.learners = 1}, .value = 2};
    const float reference[] = {1, -1, 0};
    float model[] = {1.5f, -1, -2}, gradient[] = {1, -3, 0};
    struct attack_step step = {.options = &options, .n_learners = 3, .round = 1, .reference = reference};
    kind_of("sign_flip")->summary(&step, model, 3);
    cr_assert_float_eq(model[0], 0, 1e-6);
    cr_assert_float_eq(model[1], -1, 1e-6);
    cr_assert_float_eq(model[2], 4, 1e-6);
    step.reference = NULL;
    kind_of("sign_flip")->summary(&step, gradient, 3);
    cr_assert_float_eq(gradient[0], -2, 1e-6);
    cr_assert_float_eq(gradient[1], 6, 1e-6);
}

Test(attack, scaled_noise_is_as_large_as_it_is_told_whatever_the_update)
{
    const struct options options = {.chosen = {.learners = 1}, .value = 5};
    static float reference[N], summary[N];
    for (size_t i = 0; i < N; i++) {
        reference[i] = 7;
        summary[i] = 7 + (i % 2 ? 0.25f : -0.25f); // root mean square of the update: 1/4
    }
    const struct attack_step step = {
        .options = &options, .n_learners = 3, .round = 1, .reference = reference};
    kind_of("scaled_noise")->summary(&step, summary, N);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < N; i++) {
        sum += summary[i] - 7;
        squares += (summary[i] - 7) * (summary[i] - 7);
    }
    cr_assert_float_eq(sum / N, 0, 5 * 1.25 / sqrt(N));
    cr_assert_float_eq(sqrt(squares / N), 1.25, 0.07);
}

Test(attack, benign_summaries_have_the_mean_and_deviation_of_two_passes)
{
    const float summaries[3][2] = {{1, 1000.25f}, {2, 1000.5f}, {6, 1000.75f}};
    struct benign benign;
    cr_assert_eq(benign_open(&benign, 2, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        benign_add(&benign, summaries[i]);
    cr_assert_eq(benign.n_summaries, 3);
    cr_assert_float_eq(benign.mean[0], 3, 1e-6);
    cr_assert_float_eq(benign.squares[0], 4 + 1 + 9, 1e-5);
    cr_assert_float_eq(benign.mean[1], 1000.5, 1e-3);
    cr_assert_float_eq(benign.squares[1], 0.125, 1e-3);
    benign_close(&benign);
}

static float shift_of(double z, int64_t n_attackers, uint32_t n_learners)
{
    const struct options options = {.chosen = {.learners = n_attackers}, .value = z};
    struct benign benign = {.n_summaries = 4, .n = 1, .mean = &(float){10}, .squares = &(float){16}};
    const struct attack_step step = {
        .options = &options, .n_learners = n_learners, .round = 1, .benign = &benign};
    float summary = 0;
    kind_of("little_is_enough")->summary(&step, &summary, 1);
    return (10 - summary) / 2; // in standard deviations
}

// The z of the paper's table for its own setting of 50 learners and 12 attackers, and others from a table of
// the normal distribution.
Test(attack, a_little_is_as_much_as_the_paper_finds)
{
    cr_assert_float_eq(shift_of(1.5, 3, 10), 1.5, 1e-6);
    cr_assert_float_eq(shift_of(0, 12, 50), 0.33604, 1e-4); // Phi(z) = 24/38
    cr_assert_float_eq(shift_of(0, 3, 10), 0.18001, 1e-4);  // Phi(z) = 4/7
    cr_assert_float_eq(shift_of(0, 6, 10), 3.09023, 1e-4);  // a majority: anything goes, 0.999
}
