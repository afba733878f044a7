#include "nn/init.h"
#include <criterion/criterion.h>
#include <math.h>

enum { N = 4096 };

static struct random stream(void)
{
    return random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
}

static float largest(enum init_rule rule, const char *activation, size_t fan_in, size_t fan_out)
{
    float values[N], most = 0;
    struct choice choice = {.kind = activation ? registry_find(&activations, activation) : NULL};
    struct random random = stream();
    init_weights(rule, &choice, fan_in, fan_out, &random, N, values);
    for (int i = 0; i < N; i++)
        most = fmaxf(most, fabsf(values[i]));
    return most;
}

// A uniform distribution's largest of 4096 draws is within 1 % of its bound.
static void assert_bound(float found, double bound)
{
    cr_assert_leq(found, bound);
    cr_assert_geq(found, 0.99 * bound);
}

Test(init, he_looks_at_the_inputs_alone)
{
    assert_bound(largest(INIT_HE, NULL, 24, 1000), 0.5);
}

Test(init, glorot_looks_at_both_sides)
{
    assert_bound(largest(INIT_GLOROT, "relu", 16, 8), 0.5);
}

Test(init, auto_is_he_before_relu_and_glorot_otherwise)
{
    assert_bound(largest(INIT_AUTO, "relu", 24, 1000), 0.5);
    assert_bound(largest(INIT_AUTO, "none", 16, 8), 0.5);
    assert_bound(largest(INIT_AUTO, NULL, 16, 8), 0.5);
}

Test(init, zeros_are_zeros)
{
    cr_assert_eq(largest(INIT_ZEROS, "relu", 16, 8), 0);
}

Test(init, has_mean_zero)
{
    float values[N];
    double sum = 0;
    struct random random = stream();
    init_weights(INIT_HE, &(struct choice){0}, 6, 1, &random, N, values);
    for (int i = 0; i < N; i++)
        sum += values[i];
    cr_assert_float_eq(sum / N, 0, 4 / sqrt(3.0 * N));
}
