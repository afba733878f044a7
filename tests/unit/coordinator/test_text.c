#include "coordinator/text.h"
#include <criterion/criterion.h>
#include <stdio.h>

static void assert_cleaned(const char *text, const char *expected)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    text_clean(copy);
    cr_assert_str_eq(copy, expected);
}

Test(text, plain_text_and_other_scripts_stay_as_they_are)
{
    assert_cleaned("loss 0.5 'a' \"b\"", "loss 0.5 'a' \"b\"");
    assert_cleaned("größer \xe2\x89\xa5 \xf0\x9f\x99\x82", "größer \xe2\x89\xa5 \xf0\x9f\x99\x82");
}

Test(text, terminal_escapes_and_line_ends_are_replaced)
{
    assert_cleaned("a\x1b[2Jb\r\n\t\x7f", "a?[2Jb????");
    assert_cleaned("c\xc2\x9b"
                   "d",
                   "c??d"); // the one-character escape of C1
}

Test(text, what_is_no_utf8_is_replaced)
{
    assert_cleaned("\xff\xfe", "??");
    assert_cleaned("\xc0\xaf", "??");           // overlong
    assert_cleaned("\xed\xa0\x80", "???");      // half a surrogate pair
    assert_cleaned("\xf4\x90\x80\x80", "????"); // past the last character
    assert_cleaned("abc\xe2\x89", "abc??");     // cut short
}
