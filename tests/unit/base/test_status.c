#include "base/status.h"
#include <criterion/criterion.h>

Test(status, names_are_grpcs)
{
    cr_assert_str_eq(status_name(STATUS_OK), "OK");
    cr_assert_str_eq(status_name(STATUS_DATA_LOSS), "DATA_LOSS");
    cr_assert_str_eq(status_name(STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
    cr_assert_str_eq(status_name((enum status)17), "UNKNOWN");
    cr_assert_str_eq(status_name((enum status) - 1), "UNKNOWN");
}

Test(status, exit_codes_tell_bad_input_from_an_absent_peer)
{
    cr_assert_eq(status_exit_code(STATUS_OK), 0);
    cr_assert_eq(status_exit_code(STATUS_INVALID_ARGUMENT), 2);
    cr_assert_eq(status_exit_code(STATUS_DATA_LOSS), 2);
    cr_assert_eq(status_exit_code(STATUS_UNAVAILABLE), 3);
    cr_assert_eq(status_exit_code(STATUS_DEADLINE_EXCEEDED), 3);
    cr_assert_eq(status_exit_code(STATUS_CANCELLED), 130);
    cr_assert_eq(status_exit_code(STATUS_INTERNAL), 1);
}
