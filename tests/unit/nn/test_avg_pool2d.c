#include "pool_geometries.h"

extern const struct layer_kind layer_avg_pool2d;

static void twin(struct layer_fixture *fixture, const struct pool_geometry *g, double *output,
                 double *input_gradient)
{
    const struct layer_pass *pass = &fixture->pass;
    double share = 1 / (double)(g->size[0] * g->size[1]);
    for (size_t out = 0; out < pass->batch * shape_size(&fixture->plan.output); out++)
        for (size_t i = 0; i < (size_t)g->size[0]; i++)
            for (size_t j = 0; j < (size_t)g->size[1]; j++) {
                size_t in = pool_input(fixture, g, out, i, j);
                output[out] += (double)pass->input[in] * share;
                input_gradient[in] += (double)pass->output_gradient[out] * share;
            }
}

Test(avg_pool2d, both_passes_agree_with_plain_loops)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_geometries); i++) {
        struct layer_fixture fixture;
        open_pool(&fixture, &layer_avg_pool2d, &pool_geometries[i]);
        const struct layer_pass *pass = &fixture.pass;
        size_t n_input = pass->batch * shape_size(&fixture.plan.input);
        size_t n_output = pass->batch * shape_size(&fixture.plan.output);
        double *output = arena_array(&fixture.arena, n_output, sizeof *output);
        double *gradient = arena_array(&fixture.arena, n_input, sizeof *gradient);
        twin(&fixture, &pool_geometries[i], output, gradient);
        layer_avg_pool2d.forward(pass);
        layer_avg_pool2d.backward(pass);
        fixture_check_floats("output", pass->output, output, n_output, 1e-5);
        fixture_check_floats("input gradient", pass->input_gradient, gradient, n_input, 1e-5);
        fixture_release(&fixture);
    }
}

Test(avg_pool2d, gradients_agree_with_finite_differences)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_geometries); i++) {
        struct layer_fixture fixture;
        open_pool(&fixture, &layer_avg_pool2d, &pool_geometries[i]);
        const struct layer_pass *pass = &fixture.pass;
        layer_avg_pool2d.backward(pass);
        fixture_check_gradient(&fixture, "input", pass->input, pass->input_gradient,
                               pass->batch * shape_size(&fixture.plan.input), 0.5f);
        fixture_release(&fixture);
    }
}

Test(avg_pool2d, refuses_what_does_not_fit_and_says_so)
{
    struct layer_fixture fixture;
    const struct option options[] = {{"size", 2, {2, 9}}, {0}};
    cr_assert_eq(fixture_plan(&fixture, &layer_avg_pool2d, options, (struct shape){3, {1, 8, 8}}),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(fixture.error.message, "size 9 is larger than the input's width 8"), "%s",
                       fixture.error.message);
    fixture_release(&fixture);
}
