#include "base/error.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, a_prefix_stands_before_the_message_and_the_status_stays)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(error_set(&error, STATUS_NOT_FOUND, "no %s", "tensor"), STATUS_NOT_FOUND);
    cr_assert_eq(error_prefix(&error, "layer %d", 3), STATUS_NOT_FOUND);
    cr_assert_str_eq(error.message, "layer 3: no tensor");
}

Test(error, long_messages_are_cut_to_fit)
{
    struct error error = ERROR_INIT;
    error_set(&error, STATUS_INTERNAL, "%02000d", 7);
    error_prefix(&error, "%0900d", 1);
    cr_assert_eq(strlen(error.message), ERROR_MESSAGE_BYTES - 1);
}

Test(error, nobody_needs_to_listen)
{
    cr_assert_eq(error_set(NULL, STATUS_ABORTED, "unheard"), STATUS_ABORTED);
    cr_assert_eq(error_errno(NULL, ENOENT, "cannot open", "x"), STATUS_NOT_FOUND);
}

Test(error, system_errors_name_the_path_and_a_remedy)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(error_errno(&error, ENOSPC, "cannot write", "/data/x"), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(error.message,
                     "cannot write '/data/x': No space left on device; free space on that disk");
    cr_assert_eq(error_errno(&error, EACCES, "cannot open", "y"), STATUS_PERMISSION_DENIED);
    cr_assert_eq(error_errno(&error, EIO, "cannot read", "z"), STATUS_INTERNAL);
}
