#include "data/shown.h"
#include <criterion/criterion.h>
#include <string.h>

Test(shown, text_is_short_and_on_one_line)
{
    char shown[SHOWN_BYTES];
    cr_assert_str_eq(shown_text("two\nlines", shown), "two lines");
    char long_text[200];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[199] = '\0';
    memcpy(long_text + 43, "\xC3\xA9", 2);
    cr_assert_eq(strlen(shown_text(long_text, shown)), 46);
    cr_assert_str_eq(shown + 43, "...");
}
