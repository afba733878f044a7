#include "base/bytes.h"
#include "base/memory.h"
#include <criterion/criterion.h>

Test(bytes, json_escapes_quotes_controls_and_bad_utf8)
{
    struct bytes bytes = BYTES_INIT;
    bytes_json(&bytes, "a\"b\\c\n\x01 \xC3\xA9 \xFF \xE0\x80\x80");
    cr_assert_str_eq(bytes.data, "\"a\\\"b\\\\c\\n\\u0001 \xC3\xA9 \\ufffd \\ufffd\\ufffd\\ufffd\"");
    bytes_release(&bytes);
}

Test(bytes, formats_longer_than_the_first_block)
{
    struct bytes bytes = BYTES_INIT;
    bytes_format(&bytes, "%01000d", 5);
    cr_assert_eq(bytes.n, 1000);
    cr_assert_eq(bytes.data[999], '5');
    bytes_release(&bytes);
}

Test(bytes, running_out_of_memory_is_remembered)
{
    struct bytes bytes = BYTES_INIT;
    memory_fail_after(1);
    bytes_text(&bytes, "lost");
    bytes_text(&bytes, "dropped as well");
    cr_assert(bytes.failed);
    cr_assert_eq(bytes.n, 0);
    bytes_release(&bytes);
}

Test(bytes, a_file_over_the_limit_is_refused)
{
    struct bytes bytes = BYTES_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(bytes_read_file(&bytes, "/proc/self/status", 16, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(bytes_read_file(&bytes, "/no/such/file", 16, &error), STATUS_NOT_FOUND);
    cr_assert_null(bytes.data);
}
