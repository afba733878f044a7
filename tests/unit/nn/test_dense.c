#include "layer_fixture.h"

extern const struct layer_kind layer_dense;

// Y = X W' + b and its gradients, one product at a time.
static void check_passes(size_t batch, size_t units, bool bias, struct shape input)
{
    struct layer_fixture fixture;
    fixture_open(&fixture, &layer_dense,
                 (struct option[]){{"units", 1, {(int64_t)units}}, {"bias", 1, {bias}}, {0}}, input, batch);
    const struct layer_pass *pass = &fixture.pass;
    const float *x = pass->input, *w = pass->tensors[0], *dy = pass->output_gradient;
    size_t n = shape_size(&input);
    layer_dense.forward(pass);
    layer_dense.backward(pass);
    for (size_t i = 0; i < batch; i++) {
        for (size_t u = 0; u < units; u++) {
            double y = bias ? (double)pass->tensors[1][u] : 0;
            for (size_t j = 0; j < n; j++)
                y += (double)x[i * n + j] * (double)w[u * n + j];
            cr_expect_float_eq(pass->output[i * units + u], y, 1e-5);
        }
        for (size_t j = 0; j < n; j++) {
            double dx = 0;
            for (size_t u = 0; u < units; u++)
                dx += (double)dy[i * units + u] * (double)w[u * n + j];
            cr_expect_float_eq(pass->input_gradient[i * n + j], dx, 1e-5);
        }
    }
    for (size_t u = 0; u < units; u++) {
        double db = 0;
        for (size_t i = 0; i < batch; i++)
            db += (double)dy[i * units + u];
        if (bias)
            cr_expect_float_eq(pass->tensor_gradients[1][u], db, 1e-5);
        for (size_t j = 0; j < n; j++) {
            double dw = 0;
            for (size_t i = 0; i < batch; i++)
                dw += (double)dy[i * units + u] * (double)x[i * n + j];
            cr_expect_float_eq(pass->tensor_gradients[0][u * n + j], dw, 1e-5);
        }
    }
    fixture_release(&fixture);
}

Test(dense, is_a_product_and_a_bias)
{
    check_passes(1, 1, true, (struct shape){1, {1}});
    check_passes(5, 7, true, (struct shape){1, {13}});
    check_passes(3, 4, false, (struct shape){1, {9}});
    check_passes(2, 33, true, (struct shape){1, {17}});
}

Test(dense, reads_an_image_as_one_row)
{
    check_passes(3, 5, true, (struct shape){2, {4, 3}});
    check_passes(2, 6, true, (struct shape){3, {2, 3, 4}});
}

Test(dense, has_no_bias_tensor_when_told)
{
    struct layer_fixture fixture;
    cr_assert_eq(fixture_plan(&fixture, &layer_dense,
                              (struct option[]){{"units", 1, {3}}, {"bias", 1, {0}}, {0}},
                              (struct shape){3, {2, 3, 4}}),
                 STATUS_OK);
    cr_assert_eq(fixture.plan.n_tensors, 1);
    cr_assert(shape_equal(&fixture.plan.tensors[0].shape, &(struct shape){2, {3, 24}}));
    cr_assert(shape_equal(&fixture.plan.output, &(struct shape){1, {3}}));
    fixture_release(&fixture);
}

Test(dense, the_first_layer_needs_no_input_gradient)
{
    struct layer_fixture fixture;
    fixture_open(&fixture, &layer_dense, (struct option[]){{"units", 1, {3}}, {"bias", 1, {1}}, {0}},
                 (struct shape){1, {4}}, 2);
    fixture.pass.input_gradient = NULL;
    layer_dense.backward(&fixture.pass);
    for (int i = 0; i < 12; i++)
        cr_assert(isfinite(fixture.pass.tensor_gradients[0][i]));
    fixture_release(&fixture);
}
