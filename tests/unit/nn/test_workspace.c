#include "nn_kit.h"
#include <math.h>

static const struct shape row = {1, {4}};
static const struct random_key key = {.seed = 1, .step = 3};

enum { BATCH = 5 };

// The net y = V tanh(W x + b) + c in plain loops and double.
static void naive(const float *p, const float *x, double *ret)
{
    const float *w = p, *b = p + 12, *v = p + 15, *c = p + 21;
    for (int i = 0; i < 2; i++)
        ret[i] = (double)c[i];
    for (int h = 0; h < 3; h++) {
        double sum = (double)b[h];
        for (int j = 0; j < 4; j++)
            sum += (double)w[4 * h + j] * (double)x[j];
        for (int i = 0; i < 2; i++)
            ret[i] += (double)v[3 * i + h] * tanh(sum);
    }
}

static const char *const net = "layers: [{dense: {units: 3, activation: tanh}}, {dense: {units: 2}}]";

Test(workspace, forward_is_what_plain_loops_give)
{
    struct kit kit;
    kit_model(&kit, net, row, 2, TARGET_VALUES);
    cleanup_free float *parameters = kit_floats(1, 23), *input = kit_floats(2, BATCH * 4);
    for (int training = 0; training < 2; training++) {
        struct workspace *workspace;
        cr_assert_eq(workspace_new(&workspace, kit.model, BATCH, training, NULL), STATUS_OK);
        const float *outputs = model_forward(kit.model, workspace, parameters, input, BATCH);
        cr_assert_eq(workspace_outputs(workspace), outputs);
        for (int i = 0; i < BATCH; i++) {
            double expected[2];
            naive(parameters, input + 4 * i, expected);
            for (int j = 0; j < 2; j++)
                cr_assert_float_eq(outputs[2 * i + j], expected[j], 1e-6);
        }
        workspace_free(workspace);
    }
    kit_release(&kit);
}

Test(workspace, a_workspace_for_inference_is_smaller)
{
    struct kit kit;
    struct workspace *training, *inference;
    kit_model(&kit,
              "layers: [{dense: {units: 64, activation: gelu}}, {dense: {units: 64}}, {dense: {units: 64}}, "
              "{dense: {units: 2}}]",
              row, 2, TARGET_VALUES);
    cr_assert_eq(workspace_new(&training, kit.model, 32, true, NULL), STATUS_OK);
    cr_assert_eq(workspace_new(&inference, kit.model, 32, false, NULL), STATUS_OK);
    cr_assert_lt(workspace_bytes(inference), workspace_bytes(training));
    cr_assert_geq(workspace_bytes(inference), 2 * 32 * 64 * sizeof(float));
    workspace_free(training);
    workspace_free(inference);
    kit_release(&kit);
}

Test(workspace, a_batch_too_large_for_memory_is_refused_with_a_remedy)
{
    struct kit kit;
    struct workspace *workspace = NULL;
    struct error error = ERROR_INIT;
    kit_model(&kit, net, row, 2, TARGET_VALUES);
    cr_assert_eq(workspace_new(&workspace, kit.model, SIZE_MAX / 8, true, &error), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_not_null(strstr(error.message, "batch_size"));
    cr_assert_null(workspace);
    for (unsigned long nth = 1; nth <= 3; nth++) {
        memory_fail_after(nth);
        cr_assert_eq(workspace_new(&workspace, kit.model, 4, true, &error), STATUS_RESOURCE_EXHAUSTED);
    }
    memory_fail_after(0);
    kit_release(&kit);
}

Test(workspace, the_gradient_is_the_two_halves_put_together)
{
    struct kit kit;
    struct workspace *workspace;
    kit_model(&kit, net, row, 2, TARGET_VALUES);
    cr_assert_eq(workspace_new(&workspace, kit.model, BATCH, true, NULL), STATUS_OK);
    cleanup_free float *parameters = kit_floats(1, 23), *input = kit_floats(2, BATCH * 4);
    cleanup_free float *values = kit_floats(3, BATCH * 2), *whole = kit_floats(4, 23),
                       *halves = kit_floats(5, 23);
    struct targets targets = {TARGET_VALUES, NULL, values};
    double loss = model_gradient(kit.model, workspace, parameters, input, &targets, BATCH, key, whole);
    const float *outputs = model_forward_training(kit.model, workspace, parameters, input, BATCH, key);
    cr_assert_eq(loss, model_loss(kit.model, outputs, &targets, BATCH));
    float slopes[BATCH * 2];
    for (int i = 0; i < BATCH * 2; i++) // of the mean squared error
        slopes[i] = (float)(2 * ((double)outputs[i] - (double)values[i]) / (BATCH * 2));
    model_backward(kit.model, workspace, parameters, BATCH, slopes, halves);
    for (int i = 0; i < 23; i++)
        cr_assert_float_eq(whole[i], halves[i], 1e-7);
    workspace_free(workspace);
    kit_release(&kit);
}

Test(workspace, dropout_follows_the_key_and_spares_inference)
{
    struct kit kit;
    struct workspace *workspace;
    kit_model(&kit, "layers: [{dropout: {rate: 0.5}}, {dense: {units: 2}}]", row, 2, TARGET_VALUES);
    cr_assert_eq(workspace_new(&workspace, kit.model, BATCH, true, NULL), STATUS_OK);
    cleanup_free float *parameters = kit_floats(1, 10), *input = kit_floats(2, BATCH * 4);
    const struct random_key keys[] = {key, key, {.seed = 1, .step = 4}, {.seed = 1, .step = 3, .learner = 2}};
    float found[4][BATCH * 2];
    for (int i = 0; i < 4; i++)
        memcpy(found[i], model_forward_training(kit.model, workspace, parameters, input, BATCH, keys[i]),
               sizeof found[i]);
    cr_assert_arr_eq(found[0], found[1], sizeof found[0]);
    cr_assert_arr_neq(found[0], found[2], sizeof found[0]);
    cr_assert_arr_neq(found[0], found[3], sizeof found[0]);
    const float *outputs = model_forward(kit.model, workspace, parameters, input, 1);
    for (int j = 0; j < 2; j++) {
        double sum = (double)parameters[8 + j];
        for (int k = 0; k < 4; k++)
            sum += (double)parameters[4 * j + k] * (double)input[k];
        cr_assert_float_eq(outputs[j], sum, 1e-6);
    }
    workspace_free(workspace);
    kit_release(&kit);
}

Test(workspace, probabilities_follow_the_loss)
{
    const char *const losses_[] = {"cross_entropy", "binary_cross_entropy", "mse"};
    const double expected[3][2] = {{0.268941421, 0.731058579}, {0.5, 0.731058579}, {0, 1}};
    for (int i = 0; i < 3; i++) {
        struct kit kit;
        float outputs[2] = {0, 1}, found[2];
        cleanup_free char *text = memory_format("layers: [{dense: {units: 2}}]\nloss: %s\n", losses_[i]);
        kit_model(&kit, text, row, 2, i < 2 ? TARGET_CLASS : TARGET_VALUES);
        model_probabilities(kit.model, outputs, 1, found);
        for (int j = 0; j < 2; j++)
            cr_assert_float_eq(found[j], expected[i][j], 1e-6);
        kit_release(&kit);
    }
}
