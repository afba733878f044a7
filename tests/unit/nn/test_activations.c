// What activations are found where, and their values at known places.
#include "nn/activation.h"
#include "nn_kit.h"
#include <math.h>

static const char *chosen(const char *layer, const char *options)
{
    struct kit kit;
    struct choice choice = kit_choice(&kit, &layers, layer, options);
    const struct choice *activation = activation_chosen(choice.kind, choice.options);
    const char *name = activation ? activation->kind->name : NULL;
    kit_release(&kit);
    return name;
}

Test(activations, are_found_by_their_row_alone)
{
    cr_assert_str_eq(chosen("dense", "{units: 3, activation: relu}"), "relu");
    cr_assert_str_eq(chosen("dense", "{units: 3}"), "none");
    cr_assert_str_eq(chosen("conv2d", "{filters: 3, kernel: 2, activation: tanh}"), "tanh");
    cr_assert_str_eq(chosen("activation", "{function: gelu}"), "gelu");
    cr_assert_null(chosen("dropout", ""));
    cr_assert_null(chosen("flatten", ""));
}

static const struct {
    const char *kind;
    double at[4]; // at -2, -0.5, 0 and 3
} values[] = {
    {"relu", {0, 0, 0, 3}},
    {"tanh", {-0.964027580, -0.462117157, 0, 0.995054754}},
    {"sigmoid", {0.119202922, 0.377540669, 0.5, 0.952574127}},
    {"gelu", {-0.045500264, -0.154268770, 0, 2.995950306}},
};

Test(activations, have_their_known_values)
{
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        float x[4] = {-2, -0.5f, 0, 3};
        const struct activation_kind *kind =
            (const struct activation_kind *)registry_find(&activations, values[i].kind);
        kind->forward(NULL, 1, &(struct shape){1, {4}}, x);
        for (int j = 0; j < 4; j++)
            cr_expect_float_eq(x[j], values[i].at[j], 1e-6, "%s: %g", values[i].kind, (double)x[j]);
    }
}

Test(activations, softmax_is_a_share_of_exponents)
{
    float x[4] = {-2, -0.5f, 0, 3};
    double sum = exp(-2) + exp(-0.5) + 1 + exp(3);
    const struct activation_kind *kind =
        (const struct activation_kind *)registry_find(&activations, "softmax");
    kind->forward(NULL, 1, &(struct shape){1, {4}}, x);
    cr_assert_float_eq(x[0], exp(-2) / sum, 1e-7);
    cr_assert_float_eq(x[3], exp(3) / sum, 1e-6);
}

Test(activations, softmax_of_an_image_normalizes_over_channels)
{
    cleanup_free float *x = kit_floats(1, 2 * 3 * 4);
    const struct activation_kind *kind =
        (const struct activation_kind *)registry_find(&activations, "softmax");
    kind->forward(NULL, 2, &(struct shape){3, {3, 2, 2}}, x);
    for (int i = 0; i < 2; i++)
        for (int pixel = 0; pixel < 4; pixel++)
            cr_assert_float_eq(x[12 * i + pixel] + x[12 * i + 4 + pixel] + x[12 * i + 8 + pixel], 1, 1e-6);
}

// The middle of a net with an activation that keeps its input computes as one that does not.
Test(activations, a_layer_of_its_own_and_an_option_are_the_same)
{
    const char *const texts[] = {
        "layers: [{dense: {units: 4, activation: gelu}}, {dense: {units: 2}}]",
        "layers: [{dense: {units: 4}}, {activation: {function: gelu}}, {dense: {units: 2}}]"};
    float found[2][4 * 3 + 4 + 4 * 2 + 2];
    for (int i = 0; i < 2; i++) {
        struct kit kit;
        struct workspace *workspace;
        kit_model(&kit, texts[i], (struct shape){1, {3}}, 2, TARGET_VALUES);
        size_t n = model_layout(kit.model)->n_parameters;
        cr_assert_eq(n, ARRAY_SIZE(found[i]));
        cleanup_free float *parameters = kit_floats(1, n), *input = kit_floats(2, 15),
                           *goal = kit_floats(3, 10);
        struct targets targets = {TARGET_VALUES, NULL, goal};
        cr_assert_eq(workspace_new(&workspace, kit.model, 5, true, NULL), STATUS_OK);
        model_gradient(kit.model, workspace, parameters, input, &targets, 5, (struct random_key){0},
                       found[i]);
        workspace_free(workspace);
        kit_release(&kit);
    }
    cr_assert_arr_eq(found[0], found[1], sizeof found[0]);
}
