#include "base/memory.h"
#include "experiment/weighting.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static uint64_t weight_of(enum weighting weighting, uint64_t n_samples, double loss)
{
    uint64_t ret = 0;
    struct error error = ERROR_INIT;
    cr_assert_eq(weighting_of(weighting, n_samples, loss, &ret, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(weighting_check(weighting, ret, n_samples, &error), STATUS_OK, "%s", error.message);
    return ret;
}

Test(weighting, samples_uniform_and_inverse_loss)
{
    cr_assert_eq(weight_of(WEIGHTING_SAMPLES, 600, 2), 600);
    cr_assert_eq(weight_of(WEIGHTING_UNIFORM, 600, 2), 1);
    cr_assert_eq(weight_of(WEIGHTING_UNIFORM, 600, (double)NAN), 1);
    cr_assert_eq(weight_of(WEIGHTING_INVERSE_LOSS, 600, 2), 500000);
    cr_assert_eq(weight_of(WEIGHTING_INVERSE_LOSS, 600, 0.3), 3333333);
}

Test(weighting, inverse_losses_are_bounded)
{
    cr_assert_eq(weight_of(WEIGHTING_INVERSE_LOSS, 600, 0), 1000000000);
    cr_assert_eq(weight_of(WEIGHTING_INVERSE_LOSS, 600, 1e-9), 1000000000);
    cr_assert_eq(weight_of(WEIGHTING_INVERSE_LOSS, 600, 1e30), 1);
}

Test(weighting, a_loss_that_is_no_loss_is_refused)
{
    const double losses[] = {NAN, -1, INFINITY};
    for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
        uint64_t ret;
        struct error error = ERROR_INIT;
        cr_assert_eq(weighting_of(WEIGHTING_INVERSE_LOSS, 600, losses[i], &ret, &error),
                     STATUS_INVALID_ARGUMENT);
    }
}

Test(weighting, weights_that_cannot_be_are_refused)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(weighting_check(WEIGHTING_SAMPLES, 601, 600, &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "'601' where samples weighting of 600 samples allows 1 to 600"), "%s",
              error.message);
    cr_assert_eq(weighting_check(WEIGHTING_SAMPLES, 0, 600, NULL), STATUS_OUT_OF_RANGE);
    cr_assert_eq(weighting_check(WEIGHTING_UNIFORM, 2, 600, NULL), STATUS_OUT_OF_RANGE);
    cr_assert_eq(weighting_check(WEIGHTING_INVERSE_LOSS, 1000000001, 600, NULL), STATUS_OUT_OF_RANGE);
}

Test(weighting, what_is_expected_is_what_a_loss_of_one_gives)
{
    cr_assert_eq(weighting_expected(WEIGHTING_SAMPLES, 600), 600);
    cr_assert_eq(weighting_expected(WEIGHTING_UNIFORM, 600), 1);
    cr_assert_eq(weighting_expected(WEIGHTING_INVERSE_LOSS, 600), weight_of(WEIGHTING_INVERSE_LOSS, 600, 1));
}
