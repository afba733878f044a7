#include "base/memory.h"
#include "options.h"
#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <string.h>

Test(fields_dump, a_dump_spells_every_default_out)
{
    struct fixture fixture =
        taken("inner: {minimum: 2}\nlimit: 2GiB\nchoices: [adam, {sgd: {learning_rate: 1e-5}}]");
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_str_eq(dump,
                     "flag: true\ncount: 7\nplain: 0\ndeadline: 90s\nlimit: 2GiB\nreal: 0.1\ntext: \"a: b\"\n"
                     "nothing: null\nword: green\nints: [3, 3]\ntexts: []\ninner:\n  minimum: 2\n"
                     "  fraction: 1\nchoice:\n  kind: sgd\n  learning_rate: 0.5\n  momentum: 0\n"
                     "  nesterov: false\nabsent: null\nnested: none\nchoices:\n  - adam\n  - kind: sgd\n"
                     "    learning_rate: 1e-05\n    momentum: 0\n    nesterov: false\n");
    release(&fixture);
}

Test(fields_dump, reals_are_dumped_in_the_shortest_form_that_reads_back)
{
    static const double reals[] = {0.1,     1.0 / 3, -0.0,      1e22, 123456789.123,     DBL_MAX,
                                   DBL_MIN, 5e-324,  0.1 + 0.2, 1e-7, 4503599627370497.5};
    for (size_t i = 0; i < ARRAY_SIZE(reals); i++) {
        struct fixture fixture = taken("");
        fixture.whole.real = reals[i];
        cleanup_free char *dump = dump_twice(&fixture);
        struct fixture again = taken(dump);
        cr_assert_eq(memcmp(&again.whole.real, &reals[i], sizeof reals[i]), 0, "%.17g", reals[i]);
        release(&again);
        release(&fixture);
    }
    struct fixture fixture = taken("real: 0.30000000000000004");
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_not_null(strstr(dump, "real: 0.30000000000000004\n"));
    release(&fixture);
}

Test(fields_dump, any_text_reads_back_as_it_was)
{
    static const char *const texts[] = {
        "",
        "null",
        "~",
        "true",
        "No",
        "123",
        "1e5",
        "a b",
        "a: b",
        "#x",
        "- x",
        "tab\there",
        "a\nb\n",
        "'quoted'",
        "\"\\\"",
        "\xC3\xA4\xE2\x82\xAC",
        "\x7F\x01",
        "\xC2\x85x",
        "\xE2\x80\xA8\xE2\x80\xA9",
        "\xEF\xBB\xBF",
        "\xF0\x9F\x98\x80",
        "[a, b]",
        "*a",
        "data/x.gz",
        "trailing ",
        " leading",
        "\xC2\x9F",
        "\xEF\xBF\xBD",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct fixture fixture = taken("");
        const char *pair[2] = {texts[i], texts[i]};
        fixture.whole.text = texts[i];
        fixture.whole.texts = (struct text_list){2, pair};
        cleanup_free char *dump = dump_twice(&fixture);
        struct fixture again = taken(dump);
        cr_assert_str_eq(again.whole.text, texts[i]);
        cr_assert_str_eq(again.whole.texts.values[1], texts[i]);
        release(&again);
        release(&fixture);
    }
}

Test(fields_dump, text_that_is_no_utf8_is_dumped_as_text_that_is)
{
    struct fixture fixture = taken("");
    fixture.whole.text = "a\xFF\xC3(\xED\xA0\x80";
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_not_null(strstr(dump, "text: \"a\\uFFFD\\uFFFD(\\uFFFD\\uFFFD\\uFFFD\"\n"), "%s", dump);
    release(&fixture);
}

Test(fields_dump, the_locale_changes_nothing)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "C.UTF-8");
    struct fixture fixture = taken("real: 1.5\n");
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_eq(fixture.whole.real, 1.5);
    cr_assert_not_null(strstr(dump, "real: 1.5\n"));
    release(&fixture);
}

Test(fields_dump, a_list_of_sections_reads_back_from_its_dump)
{
    static const char *const texts[] = {
        "items: [{count: 3}, {count: 4, choice: adam}]", "items: []",
        "items:\n  - count: 1\n    choice: {kind: sgd, learning_rate: 0.5}\n  - {count: 2}\n"};
    static const size_t counts[] = {2, 0, 2};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct fixture fixture, again;
        struct section_list list = {0}, back = {0};
        struct bytes first = BYTES_INIT, second = BYTES_INIT;
        cr_assert_eq(read_list(&fixture, texts[i], &list), STATUS_OK, "%s", fixture.error.message);
        cr_assert_eq(list.n, counts[i]);
        fields_dump(list_fields, &list, 0, &first);
        cr_assert_eq(read_list(&again, first.data, &back), STATUS_OK, "%s", again.error.message);
        fields_dump(list_fields, &back, 0, &second);
        cr_assert_str_eq(first.data, second.data);
        cr_assert_eq(back.n, list.n);
        for (size_t k = 0; k < list.n; k++)
            cr_assert_eq(((struct item *)back.items)[k].count, ((struct item *)list.items)[k].count);
        bytes_release(&first);
        bytes_release(&second);
        release(&fixture);
        release(&again);
    }
}
