#include "base/memory.h"
#include "options.h"
#include <criterion/criterion.h>
#include <string.h>

static void has_defaults(const char *text, const char *expected)
{
    struct fixture fixture = taken(text);
    struct bytes paths = BYTES_INIT;
    fields_defaults(whole_fields, &fixture.whole, &paths);
    cr_expect_str_eq(paths.data, expected, "of '%s'", text);
    bytes_release(&paths);
    release(&fixture);
}

Test(fields_defaults, what_nobody_wrote_is_at_its_default)
{
    has_defaults("", "flag\ncount\nplain\ndeadline\nreal\ntext\nnothing\nword\nints\ntexts\nchoice\nabsent\n"
                     "nested\nchoices\n");
}

Test(fields_defaults, so_is_what_was_written_as_it_is_anyway)
{
    has_defaults("count: 7\ndeadline: 90000ms\nreal: 1e-1\nints: [3, 3]\n"
                 "choice: {sgd: {learning_rate: 0.5}}\nnested: none\n",
                 "flag\ncount\nplain\ndeadline\nreal\ntext\nnothing\nword\nints\ntexts\nchoice\nabsent\n"
                 "nested\nchoices\n");
}

Test(fields_defaults, what_was_changed_is_not_and_its_neighbours_are)
{
    has_defaults("count: 8\ntext: x\nword: red\nints: [3]\ninner: {minimum: 2}\nlimit: 1KiB\n"
                 "choice: {kind: sgd, learning_rate: 0.1}\nnested: adam\n"
                 "choices: [none, {sgd: {learning_rate: 1, momentum: 0.9}}]\n",
                 "flag\nplain\ndeadline\nreal\nnothing\ntexts\ninner.fraction\nchoice.momentum\n"
                 "choice.nesterov\nabsent\nchoices.1.nesterov\n");
}

Test(fields_defaults, sections_in_lists_are_named_by_number)
{
    struct fixture fixture;
    struct section_list list = {0};
    struct bytes paths = BYTES_INIT;
    cr_assert_eq(read_list(&fixture, "items: [{count: 3}, {count: 4, choice: adam}]", &list), STATUS_OK);
    fields_defaults(list_fields, &list, &paths);
    cr_expect_str_eq(paths.data, "items.0.choice\n");
    bytes_release(&paths);
    release(&fixture);
}

Test(fields_defaults, an_option_that_is_passed_over_may_be_unknown_and_no_other)
{
    static const char text[] = "count: 8\nnew: 1\nchoice: {kind: sgd, learning_rate: 0.1, newer: {a: [1]}}\n"
                               "choices: [adam, {kind: sgd, learning_rate: 1, newest: 2}]\n";
    static const char *const paths[] = {"new\nchoice.newer\nchoices.1.newest\n", "new\nchoice.newer\n",
                                        "choice.newer\nchoices.1.newest\n", "new\nchoices.1.newest\n"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct fixture fixture = {0};
        cr_assert_eq(document_parse(&fixture.document, text, strlen(text), "x.yaml", &fixture.error),
                     STATUS_OK);
        document_let_pass(&fixture.document, paths[i]);
        enum status status =
            fields_read(whole_fields, fixture.document.root, &fixture.whole, &fixture.arena, &fixture.error);
        cr_expect_eq(status, i == 0 ? STATUS_OK : STATUS_INVALID_ARGUMENT);
        if (i == 0)
            cr_expect_eq(fixture.whole.count, 8);
        else
            cr_expect(strstr(fixture.error.message, "unknown key 'new") != NULL, "%s", fixture.error.message);
        release(&fixture);
    }
}

Test(fields_defaults, what_is_known_is_read_though_it_may_be_passed_over)
{
    struct fixture fixture = {0};
    const char *text = "count: many\n";
    cr_assert_eq(document_parse(&fixture.document, text, strlen(text), "x.yaml", &fixture.error), STATUS_OK);
    document_let_pass(&fixture.document, "count\n");
    cr_expect_eq(
        fields_read(whole_fields, fixture.document.root, &fixture.whole, &fixture.arena, &fixture.error),
        STATUS_INVALID_ARGUMENT);
    release(&fixture);
}
