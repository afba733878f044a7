#include "base/memory.h"
#include "options.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(fields_help, the_environment_overrides_the_document)
{
    struct error error = ERROR_INIT;
    struct fixture fixture = {0};
    setenv("TEST_COUNT", "12", 1);
    setenv("TEST_INNER_MINIMUM", "3", 1);
    setenv("TEST_TEXT", "{not: [a map", 1);
    setenv("TEST_INTS", "[8, 9]", 1);
    setenv("TEST_REAL", "", 1);
    cr_assert_eq(document_parse(&fixture.document, "count: 5", 8, "x.yaml", &error), STATUS_OK);
    cr_assert_eq(fields_apply_environment(whole_fields, "TEST", &fixture.document, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(fields_read(whole_fields, fixture.document.root, &fixture.whole, &fixture.arena, &error),
                 STATUS_OK, "%s", error.message);
    cr_assert_eq(fixture.whole.count, 12);
    cr_assert_eq(fixture.whole.inner.minimum, 3);
    cr_assert_str_eq(fixture.whole.text, "{not: [a map");
    cr_assert_eq(fixture.whole.ints.values[1], 9);
    cr_assert_eq(fixture.whole.real, 0.1);
    release(&fixture);
}

Test(fields_help, a_bad_variable_is_named)
{
    struct error error = ERROR_INIT;
    struct fixture fixture = {0};
    setenv("TEST_COUNT", "twelve", 1);
    cr_assert_eq(document_parse(&fixture.document, "", 0, "x.yaml", &error), STATUS_OK);
    cr_assert_eq(fields_apply_environment(whole_fields, "TEST", &fixture.document, &error), STATUS_OK);
    cr_assert_eq(fields_read(whole_fields, fixture.document.root, &fixture.whole, &fixture.arena, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "TEST_COUNT: count 'twelve' must be a whole number");
    release(&fixture);
}

Test(fields_help, help_tells_type_default_and_variable)
{
    struct bytes help = BYTES_INIT;
    fields_help(whole_fields, "COHORT", &help);
    cr_assert_not_null(strstr(help.data, "count                        How many; a whole number between 1 "
                                         "and 100; default 7 [COHORT_COUNT]\n"),
                       "%s", help.data);
    cr_assert_not_null(strstr(help.data, "[COHORT_INNER_MINIMUM]"));
    cr_assert_not_null(strstr(help.data, "inner.minimum"));
    bytes_release(&help);
}

Test(fields_help, the_reference_lists_every_key_and_every_kind_in_reach)
{
    struct bytes text = BYTES_INIT;
    fields_reference(whole_fields, &text);
    cr_assert_not_null(
        strstr(text.data, "| `count` | a whole number, between 1 and 100 | `7` | How many |\n"), "%s",
        text.data);
    cr_assert_not_null(strstr(text.data, "### `inner`\n"));
    cr_assert_not_null(strstr(text.data, "| `minimum` | a whole number, at least 1 | required |"));
    cr_assert_not_null(strstr(text.data, "| `choice` | one [optimizer](#optimizer) |"));
    cr_assert_not_null(strstr(text.data, "### optimizer `sgd`\nPlain descent.\n"));
    cr_assert_not_null(
        strstr(text.data, "| `learning_rate` | a number, greater than 0 | required | The size of a step |"));
    const char *first = strstr(text.data, "\n## optimizer\n");
    cr_assert_not_null(first);
    cr_assert_null(strstr(first + 1, "\n## optimizer\n"), "a registry stands there twice");
    bytes_release(&text);
}
