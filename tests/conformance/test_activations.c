// Every activation against what nn/activation.h promises.
#include "../nn_kit.h"
#include "nn/activation.h"
#include <math.h>

enum { BATCH = 3, MANY = 48 };

static const struct shape shapes[] = {{1, {1}}, {1, {7}}, {2, {3, 5}}, {3, {4, 2, 2}}};

static void forward(const struct activation_kind *kind, const struct shape *shape, const float *input,
                    float *output)
{
    memcpy(output, input, BATCH * shape_size(shape) * sizeof output[0]);
    if (kind->forward)
        kind->forward(NULL, BATCH, shape, output);
}

static double objective(const struct activation_kind *kind, const struct shape *shape, const float *input,
                        const float *weights)
{
    float output[MANY];
    double sum = 0;
    forward(kind, shape, input, output);
    for (size_t i = 0; i < BATCH * shape_size(shape); i++)
        sum += (double)output[i] * (double)weights[i];
    return sum;
}

static void check_gradient(const struct activation_kind *kind, const struct shape *shape)
{
    size_t n = BATCH * shape_size(shape);
    float output[MANY], gradient[MANY], step = 0x1p-8f;
    cleanup_free float *input = kit_floats(1, MANY), *weights = kit_floats(2, MANY);
    for (size_t i = 0; i < n; i++)
        input[i] = 2 * input[i] + (input[i] > 0 ? 0.1f : -0.1f); // away from a kink at zero
    forward(kind, shape, input, output);
    memcpy(gradient, weights, n * sizeof gradient[0]);
    if (kind->backward)
        kind->backward(NULL, BATCH, shape, kind->keeps_input ? input : NULL, output, gradient);
    for (size_t i = 0; i < n; i++) {
        float before = input[i];
        input[i] = before + step;
        double above = objective(kind, shape, input, weights);
        input[i] = before - step;
        double below = objective(kind, shape, input, weights);
        input[i] = before;
        cr_expect_float_eq(gradient[i], (above - below) / (2 * (double)step), 2e-4,
                           "%s of rank %u, value %zu", kind->kind.name, shape->rank, i);
    }
}

Test(activations, gradients_equal_central_differences)
{
    for (size_t k = 0; k < activations.n_kinds; k++)
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
            check_gradient((const struct activation_kind *)activations.kinds[k], &shapes[s]);
}

Test(activations, only_the_identity_lacks_passes)
{
    for (size_t k = 0; k < activations.n_kinds; k++) {
        const struct activation_kind *kind = (const struct activation_kind *)activations.kinds[k];
        cr_assert_eq(!kind->forward, !kind->backward);
        cr_assert(kind->forward || strcmp(kind->kind.name, "none") == 0);
    }
}

Test(activations, huge_inputs_stay_finite)
{
    for (size_t k = 0; k < activations.n_kinds; k++) {
        const struct activation_kind *kind = (const struct activation_kind *)activations.kinds[k];
        float input[MANY], output[MANY], gradient[MANY];
        for (size_t i = 0; i < MANY; i++) {
            input[i] = (i % 2 ? 1 : -1) * (i % 3 ? 1e30f : 100.0f);
            gradient[i] = 1;
        }
        forward(kind, &(struct shape){1, {16}}, input, output);
        if (kind->backward)
            kind->backward(NULL, BATCH, &(struct shape){1, {16}}, kind->keeps_input ? input : NULL, output,
                           gradient);
        for (size_t i = 0; i < MANY; i++)
            cr_assert(isfinite(output[i]) && isfinite(gradient[i]), "%s of %g: %g, gradient %g",
                      kind->kind.name, (double)input[i], (double)output[i], (double)gradient[i]);
    }
}

Test(activations, not_a_number_stays_not_a_number)
{
    for (size_t k = 0; k < activations.n_kinds; k++) {
        float input[MANY] = {[0] = NAN}, output[MANY];
        forward((const struct activation_kind *)activations.kinds[k], &(struct shape){1, {16}}, input,
                output);
        cr_assert(isnan(output[0]), "%s", activations.kinds[k]->name);
    }
}
