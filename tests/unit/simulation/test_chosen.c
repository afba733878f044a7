#include "base/memory.h"
#include "simulation/chosen.h"
#include <criterion/criterion.h>
#include <string.h>

static struct chosen of_numbers(int64_t *numbers, size_t n)
{
    return (struct chosen){.learners = 1, .numbers = {.n = n, .values = numbers}};
}

Test(chosen, the_last_ones_by_count)
{
    const struct chosen chosen = {.learners = 3};
    for (uint32_t i = 0; i < 12; i++)
        cr_assert_eq(chosen_has(&chosen, i, 10), i >= 7 && i < 10, "learner %u", i);
    cr_assert_eq(chosen_count(&chosen, 10), 3);
    cr_assert_eq(chosen_check(&chosen, "x", 3, NULL), STATUS_OK);
}

Test(chosen, numbers_stand_instead_of_the_last_ones)
{
    const struct chosen chosen = of_numbers((int64_t[]){4, 0}, 2);
    for (uint32_t i = 0; i < 10; i++)
        cr_assert_eq(chosen_has(&chosen, i, 10), i == 0 || i == 4, "learner %u", i);
    cr_assert_eq(chosen_count(&chosen, 10), 2);
}

Test(chosen, learners_that_are_not_there_are_refused)
{
    const struct chosen many = {.learners = 4}, far = of_numbers((int64_t[]){1, 10}, 2),
                        twice = of_numbers((int64_t[]){1, 2, 1}, 3);
    struct error error = ERROR_INIT;
    cr_assert_eq(chosen_check(&many, "slow", 3, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "slow takes '4' learners, but the experiment has 3; take fewer");
    cr_assert_eq(chosen_check(&far, "slow", 10, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message,
                     "slow names learner '10', but the experiment's 10 are numbered from 0 to 9");
    cr_assert_eq(chosen_check(&twice, "slow", 10, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "slow names learner '1' twice; name each once");
}
