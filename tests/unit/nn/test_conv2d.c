#include "layer_fixture.h"
#include "nn/window.h"

extern const struct layer_kind layer_conv2d;

struct geometry {
    size_t channels, height, width;
    int64_t filters, kernel[2], stride[2], pad[2];
    bool same, bias;
    size_t batch;
};

static const struct geometry geometries[] = {
    {1, 5, 5, 1, {3, 3}, {1, 1}, {0, 0}, false, true, 1},
    {1, 28, 28, 32, {5, 5}, {1, 1}, {0, 0}, true, true, 2},
    {3, 7, 9, 5, {3, 5}, {1, 1}, {1, 2}, false, true, 3},
    {2, 9, 8, 17, {4, 2}, {1, 1}, {0, 0}, true, false, 2},
    {4, 11, 7, 3, {3, 3}, {2, 2}, {0, 0}, true, true, 2},
    {5, 10, 13, 33, {3, 3}, {2, 3}, {1, 0}, false, true, 1},
    {17, 6, 6, 16, {1, 1}, {1, 1}, {0, 0}, false, true, 2},
    {2, 8, 8, 4, {1, 1}, {3, 2}, {0, 0}, false, true, 2},
    {3, 4, 4, 50, {4, 4}, {1, 1}, {0, 0}, false, true, 3},
    {1, 3, 3, 2, {3, 3}, {1, 1}, {4, 4}, false, true, 1},
    {2, 20, 19, 3, {2, 3}, {5, 4}, {2, 1}, false, true, 2},
    {1, 3, 2, 1, {1, 1}, {8, 9}, {4, 4}, false, true, 2},
    {3, 9, 9, 4, {5, 3}, {3, 2}, {2, 0}, false, true, 2},
    {33, 5, 5, 2, {3, 3}, {1, 1}, {0, 0}, true, true, 1},
};

static void open_geometry(struct layer_fixture *fixture, const struct geometry *g)
{
    fixture_open(fixture, &layer_conv2d,
                 (const struct option[]){{"filters", 1, {g->filters}},
                                         {"kernel", 2, {g->kernel[0], g->kernel[1]}},
                                         {"stride", 2, {g->stride[0], g->stride[1]}},
                                         {"pad", g->same ? 0 : 2, {g->pad[0], g->pad[1]}},
                                         {"padding", 1, {g->same ? WINDOW_SAME : WINDOW_VALID}},
                                         {"bias", 1, {g->bias}},
                                         {0}},
                 (struct shape){3, {g->channels, g->height, g->width}}, g->batch);
}

// The naive twin: every product of a convolution, in double.
struct twin {
    double *output, *input_gradient, *weight_gradient, *bias_gradient;
};

static double *zeros(struct layer_fixture *fixture, size_t n)
{
    return arena_array(&fixture->arena, n, sizeof(double));
}

static size_t expected_output(const struct geometry *g, int axis, size_t size, ptrdiff_t *ret_before)
{
    size_t kernel = (size_t)g->kernel[axis], stride = (size_t)g->stride[axis];
    if (!g->same) {
        *ret_before = g->pad[axis];
        return (size + 2 * (size_t)g->pad[axis] - kernel) / stride + 1;
    }
    size_t output = (size + stride - 1) / stride, covered = (output - 1) * stride + kernel;
    *ret_before = covered > size ? (ptrdiff_t)(covered - size) / 2 : 0;
    return output;
}

static void convolve(struct layer_fixture *fixture, const struct geometry *g, struct twin *ret)
{
    const struct layer_pass *pass = &fixture->pass;
    const size_t filters = (size_t)g->filters, kh = (size_t)g->kernel[0], kw = (size_t)g->kernel[1];
    ptrdiff_t top, left;
    size_t rows = expected_output(g, 0, g->height, &top), columns = expected_output(g, 1, g->width, &left);
    struct shape shape = {3, {filters, rows, columns}};
    cr_assert(shape_equal(&fixture->plan.output, &shape));
    *ret = (struct twin){zeros(fixture, g->batch * filters * rows * columns),
                         zeros(fixture, g->batch * g->channels * g->height * g->width),
                         zeros(fixture, filters * g->channels * kh * kw), zeros(fixture, filters)};
    for (size_t out = 0; out < g->batch * filters * rows * columns; out++) {
        size_t x = out % columns, y = out / columns % rows, filter = out / columns / rows % filters;
        size_t sample = out / columns / rows / filters;
        double gradient = (double)pass->output_gradient[out];
        ret->output[out] += g->bias ? (double)pass->tensors[1][filter] : 0;
        ret->bias_gradient[filter] += gradient;
        for (size_t c = 0; c < g->channels; c++)
            for (size_t i = 0; i < kh; i++)
                for (size_t j = 0; j < kw; j++) {
                    ptrdiff_t row = (ptrdiff_t)(y * (size_t)g->stride[0] + i) - top;
                    ptrdiff_t column = (ptrdiff_t)(x * (size_t)g->stride[1] + j) - left;
                    if (row < 0 || column < 0 || row >= (ptrdiff_t)g->height || column >= (ptrdiff_t)g->width)
                        continue;
                    size_t in =
                        ((sample * g->channels + c) * g->height + (size_t)row) * g->width + (size_t)column;
                    size_t tap = ((filter * g->channels + c) * kh + i) * kw + j;
                    ret->output[out] += (double)pass->tensors[0][tap] * (double)pass->input[in];
                    ret->input_gradient[in] += (double)pass->tensors[0][tap] * gradient;
                    ret->weight_gradient[tap] += (double)pass->input[in] * gradient;
                }
    }
}

Test(conv2d, both_passes_agree_with_plain_loops)
{
    for (size_t i = 0; i < ARRAY_SIZE(geometries); i++) {
        struct layer_fixture fixture;
        open_geometry(&fixture, &geometries[i]);
        struct twin twin;
        convolve(&fixture, &geometries[i], &twin);
        const struct layer_pass *pass = &fixture.pass;
        layer_conv2d.forward(pass);
        layer_conv2d.backward(pass);
        size_t n_input = pass->batch * shape_size(&fixture.plan.input);
        size_t n_output = pass->batch * shape_size(&fixture.plan.output);
        fixture_check_floats("output", pass->output, twin.output, n_output, 1e-4);
        fixture_check_floats("input gradient", pass->input_gradient, twin.input_gradient, n_input, 1e-4);
        fixture_check_floats("weight gradient", pass->tensor_gradients[0], twin.weight_gradient,
                             shape_size(&fixture.plan.tensors[0].shape), 1e-3);
        cr_assert_eq(fixture.plan.n_tensors, geometries[i].bias ? 2 : 1);
        if (geometries[i].bias)
            fixture_check_floats("bias gradient", pass->tensor_gradients[1], twin.bias_gradient,
                                 (size_t)geometries[i].filters, 1e-3);
        fixture_release(&fixture);
    }
}

Test(conv2d, gradients_agree_with_finite_differences)
{
    for (size_t i = 0; i < ARRAY_SIZE(geometries); i++) {
        struct layer_fixture fixture;
        open_geometry(&fixture, &geometries[i]);
        const struct layer_pass *pass = &fixture.pass;
        layer_conv2d.backward(pass);
        fixture_check_gradient(&fixture, "input", pass->input, pass->input_gradient,
                               pass->batch * shape_size(&fixture.plan.input), 0.5f);
        for (unsigned int tensor = 0; tensor < fixture.plan.n_tensors; tensor++)
            fixture_check_gradient(&fixture, fixture.plan.tensors[tensor].name, pass->tensors[tensor],
                                   pass->tensor_gradients[tensor],
                                   shape_size(&fixture.plan.tensors[tensor].shape), 0.5f);
        fixture_release(&fixture);
    }
}

Test(conv2d, a_sample_gives_the_same_bits_in_any_batch)
{
    struct layer_fixture fixture;
    open_geometry(&fixture, &geometries[2]);
    struct layer_pass alone = fixture.pass;
    size_t n_input = shape_size(&fixture.plan.input), n_output = shape_size(&fixture.plan.output);
    layer_conv2d.forward(&fixture.pass);
    float *together = arena_array(&fixture.arena, n_output, sizeof *together);
    memcpy(together, fixture.pass.output + 2 * n_output, n_output * sizeof *together);
    alone.batch = 1;
    alone.input += 2 * n_input;
    layer_conv2d.forward(&alone);
    cr_assert_arr_eq(alone.output, together, n_output * sizeof *together);
    fixture_release(&fixture);
}

Test(conv2d, the_first_layer_computes_no_input_gradient_and_the_same_weights_gradient)
{
    struct layer_fixture fixture;
    open_geometry(&fixture, &geometries[2]);
    size_t n = shape_size(&fixture.plan.tensors[0].shape);
    layer_conv2d.backward(&fixture.pass);
    float *expected = arena_array(&fixture.arena, n, sizeof *expected);
    memcpy(expected, fixture.pass.tensor_gradients[0], n * sizeof *expected);
    fixture.pass.input_gradient = NULL;
    layer_conv2d.backward(&fixture.pass);
    cr_assert_arr_eq(fixture.pass.tensor_gradients[0], expected, n * sizeof *expected);
    fixture_release(&fixture);
}

static const struct option small[] = {{"filters", 1, {4}}, {"kernel", 1, {5}}, {"stride", 1, {1}}, {0}};

Test(conv2d, an_input_of_height_and_width_has_one_channel)
{
    struct layer_fixture fixture;
    cr_assert_eq(fixture_plan(&fixture, &layer_conv2d, small, (struct shape){2, {28, 20}}), STATUS_OK);
    cr_assert(shape_equal(&fixture.plan.output, &(struct shape){3, {4, 24, 16}}));
    cr_assert(shape_equal(&fixture.plan.tensors[0].shape, &(struct shape){4, {4, 1, 5, 5}}));
    fixture_release(&fixture);
}

static void refuse(const struct option *options, struct shape input, const char *message)
{
    struct layer_fixture fixture;
    cr_assert_eq(fixture_plan(&fixture, &layer_conv2d, options, input), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(fixture.error.message, message), "%s", fixture.error.message);
    fixture_release(&fixture);
}

Test(conv2d, refuses_what_does_not_fit_and_says_so)
{
    refuse(small, (struct shape){1, {784}}, "input [784] is not an image");
    refuse(small, (struct shape){3, {1, 4, 28}}, "kernel 5 is larger than the input's height 4");
    refuse(small, (struct shape){2, {28, 3}}, "kernel 5 is larger than the input's width 3");
    refuse(small, (struct shape){3, {1u << 20, 1000, 1000}}, "use fewer filters");
    const struct option three[] = {{"filters", 1, {4}}, {"kernel", 3, {5, 5, 5}}, {0}};
    refuse(three, (struct shape){3, {1, 28, 28}}, "kernel has 3 numbers");
    const struct option both[] = {
        {"filters", 1, {4}}, {"kernel", 1, {5}}, {"padding", 1, {WINDOW_SAME}}, {"pad", 1, {1}}, {0}};
    refuse(both, (struct shape){3, {1, 28, 28}}, "leave 'pad' out");
}

Test(conv2d, working_space_does_not_grow_with_the_batch_and_stays_small)
{
    struct layer_fixture fixture;
    const struct option options[] = {
        {"filters", 1, {64}}, {"kernel", 1, {5}}, {"padding", 1, {WINDOW_SAME}}, {"stride", 1, {1}}, {0}};
    cr_assert_eq(fixture_plan(&fixture, &layer_conv2d, options, (struct shape){3, {32, 14, 14}}), STATUS_OK);
    cr_assert_eq(fixture.plan.scratch_floats, 0);
    cr_assert_lt(fixture.plan.shared_floats * sizeof(float), 1 << 20);
    fixture_release(&fixture);
}
