// Known values of cross_entropy, mse and binary_cross_entropy.
#include "nn/loss.h"
#include "nn_kit.h"
#include <math.h>

static double evaluate(const char *loss, const char *options, size_t batch, size_t n, const float *outputs,
                       const struct targets *targets, float *ret_gradient)
{
    struct kit kit;
    struct choice choice = kit_choice(&kit, &losses, loss, options);
    double value = ((const struct loss_kind *)choice.kind)
                       ->evaluate(choice.options, batch, n, outputs, targets, ret_gradient);
    kit_release(&kit);
    return value;
}

static const struct targets classes = {TARGET_CLASS, (const int32_t[]){1, 0}, NULL};
static const struct targets values = {TARGET_VALUES, NULL, (const float[]){1, 0.25f, 0, 1}};

Test(losses, cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes)
{
    float outputs[8] = {7, 7, 7, 7, -3, -3, -3, -3}, gradient[8];
    double loss = evaluate("cross_entropy", "", 2, 4, outputs, &classes, gradient);
    cr_assert_float_eq(loss, log(4), 1e-12);
    const double expected[8] = {0.125, -0.375, 0.125, 0.125, -0.375, 0.125, 0.125, 0.125};
    for (int i = 0; i < 8; i++)
        cr_assert_float_eq(gradient[i], expected[i], 1e-7);
}

Test(losses, cross_entropy_of_a_sure_and_right_answer_is_nothing)
{
    float outputs[4] = {-500, 500, 500, -500}, gradient[4];
    cr_assert_float_eq(evaluate("cross_entropy", "", 2, 2, outputs, &classes, gradient), 0, 1e-12);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(gradient[i], 0);
}

Test(losses, cross_entropy_of_a_sure_and_wrong_answer_is_the_distance_of_the_logits)
{
    float outputs[4] = {500, -500, -500, 500};
    double loss = evaluate("cross_entropy", "", 2, 2, outputs, &classes, NULL);
    cr_assert_float_eq(loss, 1000, 1e-9);
}

Test(losses, smoothing_spreads_the_target)
{
    float outputs[4] = {0, 2, 2, 0};
    double sure = log1p(exp(-2)), unsure = sure + 2; // of class 1 and of class 0 in the first sample
    double loss = evaluate("cross_entropy", "{label_smoothing: 0.1}", 2, 2, outputs, &classes, NULL);
    cr_assert_float_eq(loss, 0.95 * sure + 0.05 * unsure, 1e-9);
}

Test(losses, mse_is_the_mean_over_all_outputs)
{
    float outputs[4] = {2, 0.25f, 0, 0}, gradient[4];
    cr_assert_float_eq(evaluate("mse", "", 2, 2, outputs, &values, gradient), 0.5, 1e-12);
    cr_assert_float_eq(gradient[0], 0.5, 1e-7);
    cr_assert_float_eq(gradient[1], 0, 1e-7);
    cr_assert_float_eq(gradient[3], -0.5, 1e-7);
}

Test(losses, mse_reads_a_class_as_one_against_the_rest)
{
    const struct targets rows = {TARGET_VALUES, NULL, (const float[]){0, 1, 0, 1, 0, 0}};
    const struct targets labels = {TARGET_CLASS, (const int32_t[]){1, 0}, NULL};
    float outputs[6] = {0.3f, -1, 2, 0, 4, -3}, of_rows[6], of_labels[6];
    cr_assert_eq(evaluate("mse", "", 2, 3, outputs, &labels, of_labels),
                 evaluate("mse", "", 2, 3, outputs, &rows, of_rows));
    for (int i = 0; i < 6; i++)
        cr_assert_eq(of_labels[i], of_rows[i]);
}

Test(losses, binary_cross_entropy_looks_at_each_output_by_itself)
{
    float outputs[4] = {0, 0, 100, 100}, gradient[4];
    double loss = evaluate("binary_cross_entropy", "", 2, 2, outputs, &values, gradient);
    cr_assert_float_eq(loss, (2 * log(2) + 100) / 4, 1e-9);
    const double expected[4] = {-0.5 / 4, 0.25 / 4, 1.0 / 4, 0};
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(gradient[i], expected[i], 1e-7);
}

Test(losses, binary_cross_entropy_reads_a_class_as_one_against_the_rest)
{
    const struct targets rows = {TARGET_VALUES, NULL, (const float[]){0, 1, 0, 1, 0, 0}};
    float outputs[6] = {0.3f, -1, 2, 0, 4, -3};
    double by_class = evaluate("binary_cross_entropy", "", 2, 3, outputs, &classes, NULL);
    double by_row = evaluate("binary_cross_entropy", "", 2, 3, outputs, &rows, NULL);
    cr_assert_eq(by_class, by_row);
}
