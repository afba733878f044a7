#include "nn/vector_math.h"
#include <criterion/criterion.h>

// The largest distance from the C library's double over a sweep; relative with `relative`.
static double worst(float (*found)(float), double (*expected)(double), double from, double to, bool relative)
{
    double most = 0;
    for (int i = 0; i <= 200000; i++) {
        float x = (float)(from + (to - from) * i / 200000);
        double exact = expected((double)x), error = fabs((double)found(x) - exact);
        error = relative ? error / exact : error;
        most = error > most ? error : most;
    }
    return most;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

Test(vector_math, functions_are_as_exact_as_the_header_says)
{
    cr_expect_lt(worst(vector_exp, exp, -87, 88, true), 3e-7);
    cr_expect_lt(worst(vector_exp, exp, -1, 1, true), 3e-7);
    cr_expect_lt(worst(vector_tanh, tanh, -12, 12, false), 3e-7);
    cr_expect_lt(worst(vector_tanh, tanh, -0.7, 0.7, false), 3e-7);
    cr_expect_lt(worst(vector_erf, erf, -6, 6, false), 5e-7);
    cr_expect_lt(worst(vector_erf, erf, -0.5, 0.5, false), 3e-7);
    cr_expect_lt(worst(vector_sigmoid, sigmoid, -40, 40, false), 3e-7);
}

Test(vector_math, ends_are_reached)
{
    cr_expect_eq(vector_tanh(100), 1);
    cr_expect_eq(vector_tanh(-INFINITY), -1);
    cr_expect_float_eq(vector_erf(INFINITY), 1, 1e-6);
    cr_expect_float_eq(vector_erf(-5), -1, 1e-6);
    cr_expect_eq(vector_sigmoid(INFINITY), 1);
    cr_expect_lt(vector_sigmoid(-INFINITY), 2e-38f);
    cr_expect_lt(vector_exp(-INFINITY), 2e-38f);
    cr_expect_gt(vector_exp(INFINITY), 2e38f);
    cr_expect_eq(vector_exp(0), 1);
    cr_expect_eq(vector_tanh(0), 0);
}

Test(vector_math, not_a_number_stays_so)
{
    cr_expect(isnan(vector_exp(NAN)));
    cr_expect(isnan(vector_tanh(NAN)));
    cr_expect(isnan(vector_erf(NAN)));
    cr_expect(isnan(vector_sigmoid(NAN)));
}
