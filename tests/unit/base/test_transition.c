#include "base/transition.h"
#include <criterion/criterion.h>

enum { IDLE, BUSY, DONE };

Test(transition, only_the_tables_moves_and_staying_put_are_allowed)
{
    const struct transition table[] = {{IDLE, BUSY}, {BUSY, DONE}};
    cr_assert(transition_allowed(table, 2, IDLE, BUSY));
    cr_assert(transition_allowed(table, 2, BUSY, DONE));
    cr_assert(transition_allowed(table, 2, DONE, DONE));
    cr_assert_not(transition_allowed(table, 2, BUSY, IDLE));
    cr_assert_not(transition_allowed(table, 2, IDLE, DONE));
    cr_assert_not(transition_allowed(table, 1, BUSY, DONE));
}
