#include "nn_kit.h"
#include <math.h>

static const struct shape image = {2, {28, 28}}, row = {1, {6}};

static const char *const digits = "layers:\n"
                                  "  - dense: {units: 256, activation: relu}\n"
                                  "  - dense: {units: 128, activation: relu}\n"
                                  "  - dense: {units: 10}\n"
                                  "loss: cross_entropy\n";

Test(model, names_tensors_as_sequential_modules_would_be)
{
    struct kit kit;
    kit_model(&kit, digits, image, 10, TARGET_CLASS);
    const struct layout *layout = model_layout(kit.model);
    const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"};
    const struct shape shapes[] = {{2, {256, 784}}, {1, {256}},     {2, {128, 256}},
                                   {1, {128}},      {2, {10, 128}}, {1, {10}}};
    cr_assert_eq(layout->n_tensors, 6);
    cr_assert_eq(layout->n_parameters, 235146);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_str_eq(layout->tensors[i].name, names[i]);
        cr_assert(shape_equal(&layout->tensors[i].shape, &shapes[i]));
    }
    kit_release(&kit);
}

Test(model, layers_without_parameters_count_as_modules)
{
    struct kit kit;
    kit_model(&kit,
              "layers: [flatten, {dense: {units: 3, bias: false}}, {activation: {function: tanh}}, "
              "{activation: {function: none}}, dropout, layer_norm, {dense: {units: 2, activation: none}}, "
              "{dense: {units: 2, activation: gelu}}, {dense: {units: 1}}]",
              image, 1, TARGET_VALUES);
    const struct layout *layout = model_layout(kit.model);
    const char *const names[] = {"1.weight", "5.weight", "5.bias",   "6.weight", "6.bias",
                                 "7.weight", "7.bias",   "9.weight", "9.bias"};
    cr_assert_eq(layout->n_tensors, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        cr_assert_str_eq(layout->tensors[i].name, names[i]);
    kit_release(&kit);
}

// What is wrong, and what the message must say.
static const struct {
    const char *text;
    size_t n_outputs;
    enum target_type targets;
    const char *says[4];
} wrongs[] = {
    {"layers: []", 2, TARGET_VALUES, {"layers"}},
    {"layers:\n  - dense: {units: 4}\n  - dense: {units: 3}",
     2,
     TARGET_VALUES,
     {"test.yaml:3:", "layer 2 (dense)", "3 outputs", "2 target values"}},
    {"layers: [{dense: {units: 3}}]\nloss: cross_entropy",
     10,
     TARGET_CLASS,
     {"layer 1 (dense)", "3 outputs", "10 classes"}},
    {"layers: [{dense: {units: 3}}]\nloss: cross_entropy",
     3,
     TARGET_VALUES,
     {"test.yaml:2:", "'cross_entropy'", "binary_cross_entropy, mse"}},
    {"layers: [{dense: {units: 2, activation: softmax}}]\nloss: cross_entropy",
     2,
     TARGET_CLASS,
     {"test.yaml:1:", "layer 1 (dense)", "'softmax'", "leave"}},
    {"layers: [{dense: {units: 2}}, {activation: {function: sigmoid}}]\nloss: binary_cross_entropy",
     2,
     TARGET_VALUES,
     {"layer 2 (activation)", "'sigmoid'", "'binary_cross_entropy'"}},
    {"layers: [flatten, dropout]", 6, TARGET_VALUES, {"no layer of the model has parameters", "dense"}},
    {"layers: [{dense: {units: 4}}, {conv2d: {filters: 2, kernel: 3}}]",
     2,
     TARGET_VALUES,
     {"test.yaml:1:", "layer 2 (conv2d)"}},
    {"layers: [{dense: {units: 16777216}}, {dense: {units: 16777216}}]",
     2,
     TARGET_VALUES,
     {"layer 2 (dense)", "'1.weight'", "smaller"}},
    {"layers: [{dense: {units: 0}}]", 2, TARGET_VALUES, {"units", "0"}},
    {"layers: [{dense: {unit: 3}}]", 2, TARGET_VALUES, {"'unit'", "'units'"}},
    {"layers: [{dense: {units: 3, activation: rleu}}]", 2, TARGET_VALUES, {"'rleu'", "relu"}},
};

Test(model, errors_say_where_and_what)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        struct kit kit;
        enum status status = kit_try_model(&kit, wrongs[i].text, row, wrongs[i].n_outputs, wrongs[i].targets);
        cr_assert_eq(status, STATUS_INVALID_ARGUMENT, "%s", wrongs[i].text);
        cr_assert_null(kit.model);
        for (size_t j = 0; j < 4 && wrongs[i].says[j]; j++)
            cr_assert_not_null(strstr(kit.error.message, wrongs[i].says[j]), "no '%s' in: %s",
                               wrongs[i].says[j], kit.error.message);
        kit_release(&kit);
    }
}

Test(model, refuses_empty_and_huge_samples)
{
    const struct shape bad[] = {{1, {0}}, {2, {1ull << 32, 1ull << 32}}, {1, {SIZE_MAX}}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct kit kit;
        cr_assert_eq(kit_try_model(&kit, "layers: [{dense: {units: 3}}]", bad[i], 3, TARGET_VALUES),
                     STATUS_INVALID_ARGUMENT);
        kit_release(&kit);
    }
}

Test(model, probabilities_under_the_squared_error_are_fine)
{
    struct kit kit;
    kit_model(&kit, "layers: [{dense: {units: 2, activation: sigmoid}}]\nloss: mse", row, 2, TARGET_VALUES);
    kit_release(&kit);
}

Test(model, an_unknown_number_of_outputs_is_not_checked)
{
    struct kit kit;
    kit_model(&kit, "layers: [{dense: {units: 3}}]", row, 0, TARGET_VALUES);
    cr_assert_eq(model_n_outputs(kit.model), 3);
    cr_assert(shape_equal(model_input(kit.model), &row));
    kit_release(&kit);
}

Test(model, running_out_of_memory_is_an_error_wherever_it_happens)
{
    struct kit kit;
    kit_model(&kit, digits, image, 10, TARGET_CLASS);
    for (unsigned long nth = 1;; nth++) {
        struct model *model = NULL;
        memory_fail_after(nth);
        enum status status = model_new(&model, &kit.model_options, &image, 10, TARGET_CLASS, NULL);
        memory_fail_after(0);
        if (status == STATUS_OK) {
            cr_assert_gt(nth, 3);
            model_free(model);
            break;
        }
        cr_assert_eq(status, STATUS_RESOURCE_EXHAUSTED);
        cr_assert_null(model);
    }
    kit_release(&kit);
}

Test(model, initial_values_of_a_tensor_do_not_depend_on_the_layers_above)
{
    struct kit small, large;
    kit_model(&small, "layers: [{dense: {units: 5}}, {dense: {units: 1}}]", row, 1, TARGET_VALUES);
    kit_model(&large, "layers: [{dense: {units: 5}}, {dense: {units: 9}}, {dense: {units: 1}}]", row, 1,
              TARGET_VALUES);
    size_t n_small = model_layout(small.model)->n_parameters,
           n_large = model_layout(large.model)->n_parameters;
    cleanup_free float *a = memory_floats(n_small), *b = memory_floats(n_large);
    model_init(small.model, 9, a);
    model_init(large.model, 9, b);
    cr_assert_arr_eq(a, b, 35 * sizeof a[0]); // the first layer's weight and bias
    for (size_t i = 30; i < 35; i++)
        cr_assert_eq(a[i], 0);
    kit_release(&small);
    kit_release(&large);
}

Test(model, values_from_a_tensor_on_are_those_of_the_whole)
{
    struct kit kit;
    kit_model(&kit, digits, image, 10, TARGET_CLASS);
    const struct layout *layout = model_layout(kit.model);
    cleanup_free float *whole = memory_floats(layout->n_parameters);
    model_init(kit.model, 9, whole);
    for (size_t t = 0; t < layout->n_tensors; t++) {
        size_t first = layout->tensors[t].offset, n = layout->n_parameters - first;
        cleanup_free float *rest = memory_floats(n);
        model_init_from(kit.model, 9, first, rest);
        cr_assert_arr_eq(rest, whole + first, n * sizeof *rest);
    }
    kit_release(&kit);
}

Test(model, tells_whether_training_is_least_squares)
{
    static const struct {
        const char *text;
        bool affine, least_squares;
    } cases[] = {
        {"layers: [{dense: {units: 2}}]\nloss: mse", true, true},
        {"layers: [flatten, {dense: {units: 2, bias: false, activation: none}}]\nloss: mse", true, true},
        {"layers: [{dense: {units: 2}}]\nloss: binary_cross_entropy", true, false},
        {"layers: [{dense: {units: 2, activation: tanh}}]\nloss: mse", false, false},
        {"layers: [{dense: {units: 3}}, {dense: {units: 2}}]\nloss: mse", false, false},
        {"layers: [dropout, {dense: {units: 2}}]\nloss: mse", false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kit kit;
        kit_model(&kit, cases[i].text, row, 2, TARGET_VALUES);
        cr_assert_eq(model_is_affine(kit.model), cases[i].affine, "%s", cases[i].text);
        cr_assert_eq(model_is_least_squares(kit.model), cases[i].least_squares, "%s", cases[i].text);
        kit_release(&kit);
    }
}

Test(model, describes_every_layer)
{
    struct kit kit;
    struct bytes text = BYTES_INIT;
    kit_model(&kit, digits, image, 10, TARGET_CLASS);
    model_describe(kit.model, &text);
    const char *const says[] = {"[28, 28]", "[256]", "relu", "200960", "1290", "235146"};
    for (size_t i = 0; i < ARRAY_SIZE(says); i++)
        cr_assert_not_null(strstr(text.data, says[i]), "no '%s' in\n%s", says[i], text.data);
    bytes_release(&text);
    kit_release(&kit);
}

Test(model, the_largest_output_is_the_class_and_the_first_of_equals)
{
    struct kit kit;
    kit_model(&kit, "{layers: [{dense: {units: 3}}], loss: cross_entropy}", row, 3, TARGET_CLASS);
    cr_assert_eq(model_n_classes(kit.model), 3);
    cr_assert_eq(model_class(kit.model, (float[]){0, 1, 2}), 2);
    cr_assert_eq(model_class(kit.model, (float[]){-3, -1, -2}), 1);
    cr_assert_eq(model_class(kit.model, (float[]){5, 5, 4}), 0);
    kit_release(&kit);
}

Test(model, one_output_tells_two_classes_apart_under_binary_cross_entropy)
{
    struct kit kit;
    kit_model(&kit, "{layers: [{dense: {units: 1}}], loss: binary_cross_entropy}", row, 2, TARGET_CLASS);
    cr_assert_eq(model_n_classes(kit.model), 2);
    cr_assert_eq(model_class(kit.model, (float[]){0.1f}), 1);
    cr_assert_eq(model_class(kit.model, (float[]){-0.1f}), 0);
    // log(1 + e^-x) for class 1, log(1 + e^x) for class 0
    const struct targets one = {.type = TARGET_CLASS, .classes = (int32_t[]){1}},
                         zero = {.type = TARGET_CLASS, .classes = (int32_t[]){0}};
    cr_assert_float_eq(model_loss(kit.model, (float[]){2}, &one, 1), log1p(exp(-2.0)), 1e-12);
    cr_assert_float_eq(model_loss(kit.model, (float[]){2}, &zero, 1), log1p(exp(2.0)), 1e-12);
    kit_release(&kit);
}

Test(model, one_output_is_too_few_for_three_classes_or_another_loss)
{
    struct kit kit;
    cr_assert_eq(kit_try_model(&kit, "{layers: [{dense: {units: 1}}], loss: binary_cross_entropy}", row, 3,
                               TARGET_CLASS),
                 STATUS_INVALID_ARGUMENT);
    kit_release(&kit);
    cr_assert_eq(
        kit_try_model(&kit, "{layers: [{dense: {units: 1}}], loss: cross_entropy}", row, 2, TARGET_CLASS),
        STATUS_INVALID_ARGUMENT);
    kit_release(&kit);
}
