#include "base/memory.h"
#include "config/fields.h"
#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sgd {
    double rate, momentum;
    bool nesterov;
};

static const struct field sgd_fields[] = {
    {.name = "learning_rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd, rate),
     .required = true,
     .above = true,
     .help = "The size of a step"},
    {.name = "momentum",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd, momentum),
     .fallback = "0",
     .max = 1},
    {.name = "nesterov", .type = FIELD_BOOL, .offset = offsetof(struct sgd, nesterov), .fallback = "false"},
    {0},
};

static enum status sgd_check(const void *options, struct error *error)
{
    const struct sgd *sgd = options;
    if (sgd->nesterov && sgd->momentum == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "nesterov needs momentum; set momentum above 0");
    return STATUS_OK;
}

static const struct kind sgd = {"sgd", "Plain descent", sgd_fields, sizeof(struct sgd), sgd_check};
static const struct kind none = {"none", "Nothing", NULL, 0, NULL};
static const struct kind adam = {"adam", "Adam", NULL, 0, NULL};
static const struct kind *const kinds[] = {&adam, &none, &sgd};
static const struct registry optimizers = {"optimizer", kinds, ARRAY_SIZE(kinds)};

struct inner {
    int64_t minimum;
    double fraction;
};

static const struct field inner_fields[] = {
    {.name = "minimum",
     .type = FIELD_INT,
     .offset = offsetof(struct inner, minimum),
     .required = true,
     .min = 1},
    {.name = "fraction",
     .type = FIELD_REAL,
     .offset = offsetof(struct inner, fraction),
     .fallback = "1",
     .above = true,
     .max = 1},
    {0},
};

struct whole {
    bool flag;
    int64_t count, deadline, limit, plain;
    double real;
    const char *text, *nothing;
    int word;
    struct int_list ints;
    struct text_list texts;
    bool has_inner, has_limit;
    struct inner inner;
    struct choice choice, absent, nested;
    struct choice_list choices;
};

static const char *const words[] = {"red", "green", "blue", NULL};

#define AT(member) .offset = offsetof(struct whole, member)
static const struct field whole_fields[] = {
    {.name = "flag", .type = FIELD_BOOL, AT(flag), .fallback = "true"},
    {.name = "count",
     .type = FIELD_INT,
     AT(count),
     .fallback = "7",
     .min = 1,
     .max = 100,
     .help = "How many"},
    {.name = "plain", .type = FIELD_INT, AT(plain)},
    {.name = "deadline", .type = FIELD_DURATION, AT(deadline), .fallback = "90s"},
    {.name = "limit",
     .type = FIELD_BYTES,
     AT(limit),
     .min = 512,
     .optional = true,
     .given_offset = offsetof(struct whole, has_limit)},
    {.name = "real", .type = FIELD_REAL, AT(real), .fallback = "0.1"},
    {.name = "text", .type = FIELD_TEXT, AT(text), .fallback = "\"a: b\""},
    {.name = "nothing", .type = FIELD_TEXT, AT(nothing)},
    {.name = "word", .type = FIELD_WORD, AT(word), .words = words, .fallback = "green"},
    {.name = "ints", .type = FIELD_INTS, AT(ints), .fallback = "[3, 3]", .min = 1},
    {.name = "texts", .type = FIELD_TEXTS, AT(texts)},
    {.name = "inner",
     .type = FIELD_SECTION,
     AT(inner),
     .fields = inner_fields,
     .optional = true,
     .given_offset = offsetof(struct whole, has_inner)},
    {.name = "choice",
     .type = FIELD_CHOICE,
     AT(choice),
     .registry = &optimizers,
     .fallback = "{kind: sgd, learning_rate: 0.5}"},
    {.name = "absent", .type = FIELD_CHOICE, AT(absent), .registry = &optimizers},
    {.name = "nested", .type = FIELD_CHOICE, AT(nested), .registry = &optimizers, .fallback = "none"},
    {.name = "choices", .type = FIELD_CHOICES, AT(choices), .registry = &optimizers},
    {0},
};

struct fixture {
    struct document document;
    struct arena arena;
    struct whole whole;
    struct error error;
};

static enum status read_text(struct fixture *fixture, const char *text)
{
    *fixture = (struct fixture){0};
    TRY(document_parse(&fixture->document, text, strlen(text), "x.yaml", &fixture->error));
    return fields_read(whole_fields, fixture->document.root, &fixture->whole, &fixture->arena,
                       &fixture->error);
}

static void release(struct fixture *fixture)
{
    document_release(&fixture->document);
    arena_release(&fixture->arena);
}

static struct fixture taken(const char *text)
{
    struct fixture fixture;
    cr_assert_eq(read_text(&fixture, text), STATUS_OK, "%s", fixture.error.message);
    return fixture;
}

static void refused(const char *text, const char *expected)
{
    struct fixture fixture;
    cr_assert_eq(read_text(&fixture, text), STATUS_INVALID_ARGUMENT, "'%s' was taken", text);
    cr_assert_str_eq(fixture.error.message, expected);
    release(&fixture);
}

Test(fields, absent_options_take_their_defaults)
{
    struct fixture fixture = taken("");
    const struct whole *whole = &fixture.whole;
    cr_assert(whole->flag);
    cr_assert_eq(whole->count, 7);
    cr_assert_eq(whole->plain, 0);
    cr_assert_eq(whole->deadline, 90000);
    cr_assert_eq(whole->real, 0.1);
    cr_assert_str_eq(whole->text, "a: b");
    cr_assert_null(whole->nothing);
    cr_assert_eq(whole->word, 1);
    cr_assert_eq(whole->ints.n, 2);
    cr_assert_eq(whole->ints.values[1], 3);
    cr_assert_not(whole->has_inner);
    cr_assert_not(whole->has_limit);
    cr_assert_eq(whole->choice.kind, &sgd);
    cr_assert_eq(((const struct sgd *)whole->choice.options)->rate, 0.5);
    cr_assert_null(whole->absent.kind);
    cr_assert_eq(whole->nested.kind, &none);
    cr_assert_eq(whole->choices.n, 0);
    release(&fixture);
}

Test(fields, everything_absent_needs_no_map)
{
    struct whole whole = {0};
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(fields_read(whole_fields, NULL, &whole, &arena, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(whole.count, 7);
    struct inner inner = {0};
    cr_assert_eq(fields_read(inner_fields, NULL, &inner, &arena, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "missing 'minimum'; give a whole number at least 1");
    arena_release(&arena);
}

Test(fields, a_choice_is_written_in_three_ways)
{
    struct fixture fixture = taken("choice: none\nchoices:\n  - sgd: {learning_rate: 0.1}\n  - kind: sgd\n"
                                   "    learning_rate: 0.2\n  - none: null\n  - adam\n  - {kind: none}\n"
                                   "  - adam: {}\n  - \"none\"\n");
    const struct choice *choices = fixture.whole.choices.choices;
    cr_assert_eq(fixture.whole.choice.kind, &none);
    cr_assert_null(fixture.whole.choice.options);
    cr_assert_eq(fixture.whole.choices.n, 7);
    cr_assert_eq(choices[0].kind, &sgd);
    cr_assert_eq(((const struct sgd *)choices[0].options)->rate, 0.1);
    cr_assert_eq(((const struct sgd *)choices[1].options)->rate, 0.2);
    cr_assert_eq(choices[1].mark.line, 4);
    cr_assert_eq(choices[1].mark.column, 5);
    cr_assert_eq(choices[2].kind, &none);
    cr_assert_eq(choices[3].kind, &adam);
    cr_assert_eq(choices[5].kind, &adam);
    cr_assert_eq(choices[6].kind, &none);
    release(&fixture);
}

Test(fields, an_unknown_key_names_the_nearest_and_the_allowed)
{
    refused("inner:\n  minimun: 1\n",
            "x.yaml:2:3: unknown key 'minimun'; did you mean 'minimum'? allowed: minimum, fraction");
    refused("choice:\n  kind: sgd\n  learnig_rate: 0.1\n",
            "x.yaml:3:3: unknown key 'learnig_rate'; did you mean 'learning_rate'? allowed: learning_rate, "
            "momentum, nesterov");
    refused("inner: {zzz: 1}\n", "x.yaml:1:9: unknown key 'zzz'; allowed: minimum, fraction");
    refused("choice: {kind: none, x: 1}\n", "x.yaml:1:22: unknown key 'x'; none has no options, remove it");
}

Test(fields, an_unknown_kind_names_the_nearest_and_the_known)
{
    refused("choice: sdg\n",
            "x.yaml:1:9: unknown optimizer 'sdg'; did you mean 'sgd'? known: adam, none, sgd");
    refused("choice: {kind: whatever}\n",
            "x.yaml:1:16: unknown optimizer 'whatever'; known: adam, none, sgd");
    refused("choices:\n  - adma: {x: 1}\n",
            "x.yaml:2:5: unknown optimizer 'adma'; did you mean 'adam'? known: adam, none, sgd");
}

Test(fields, a_wrong_type_says_what_was_expected_and_found)
{
    refused("count: many\n", "x.yaml:1:8: count 'many' must be a whole number");
    refused("count: 1.5\n", "x.yaml:1:8: count '1.5' must be a whole number");
    refused("count: [1]\n", "x.yaml:1:8: count must be a whole number, not a list");
    refused("count: {a: 1}\n", "x.yaml:1:8: count must be a whole number, not a map");
    refused("count: \"5\"\n", "x.yaml:1:8: count must be a whole number, not the quoted text '5'");
    refused("count:\n", "x.yaml:1:7: count has no value; give a whole number, or leave the key out");
    refused("flag: yes\n", "x.yaml:1:7: flag 'yes' must be true or false");
    refused("text: [a]\n", "x.yaml:1:7: text must be text, not a list");
    refused("word: gren\n", "x.yaml:1:7: word 'gren' must be one of red, green, blue; did you mean 'green'?");
    refused("inner: 5\n", "x.yaml:1:8: inner '5' must be a map of options");
    refused(
        "choice: [sgd]\n",
        "x.yaml:1:9: choice must be one optimizer, as a word or {kind: ...}, of adam, none, sgd, not a list");
    refused("choices: none\n",
            "x.yaml:1:10: choices 'none' must be a list, each item one optimizer of adam, none, sgd");
    refused("choices: [[none]]\n", "x.yaml:1:11: choices must be one optimizer, as a word or {kind: ...}, of "
                                   "adam, none, sgd, not a list");
    refused("ints: [1, x]\n", "x.yaml:1:11: ints 'x' must be a whole number");
    refused("ints: [1, [2]]\n", "x.yaml:1:11: ints must be a whole number, not a list");
    refused("texts: a\n", "x.yaml:1:8: texts 'a' must be a list of texts such as [a, b]");
    refused("texts: [null]\n", "x.yaml:1:9: texts has no value; give text, or leave the key out");
    refused("choices: [null]\n", "x.yaml:1:11: choices has no value; give one optimizer, as a word or {kind: "
                                 "...}, of adam, none, sgd, or leave the key out");
}

Test(fields, a_value_out_of_bounds_is_refused)
{
    refused("choice: {kind: sgd, learning_rate: -0.1}\n",
            "x.yaml:1:36: learning_rate '-0.1' must be greater than 0");
    refused("choice: {kind: sgd, learning_rate: 0}\n",
            "x.yaml:1:36: learning_rate '0' must be greater than 0");
    refused("count: 0\n", "x.yaml:1:8: count '0' must be between 1 and 100");
    refused("count: 101\n", "x.yaml:1:8: count '101' must be between 1 and 100");
    refused("ints: [4, 0]\n", "x.yaml:1:11: ints '0' must be at least 1");
    refused("inner: {minimum: 1, fraction: 1.01}\n",
            "x.yaml:1:31: fraction '1.01' must be greater than 0 and at most 1");
    refused("limit: 511\n", "x.yaml:1:8: limit '511' must be at least 512");
}

Test(fields, a_missing_option_is_named_with_its_owner)
{
    refused("a: 1\n",
            "x.yaml:1:1: unknown key 'a'; allowed: flag, count, plain, deadline, limit, real, text, "
            "nothing, word, ints, texts, inner, choice, absent, nested, choices");
    refused("flag: true\ninner: {fraction: 1}\n",
            "x.yaml:2:8: missing 'minimum' of inner; give a whole number at least 1");
    refused("choice: sgd\n", "x.yaml:1:9: missing 'learning_rate' of sgd; give a number greater than 0");
    refused("choices:\n  - sgd: null\n",
            "x.yaml:2:5: missing 'learning_rate' of sgd; give a number greater than 0");
}

Test(fields, options_that_contradict_each_other_are_refused_where_the_kind_stands)
{
    refused("count: 3\nchoices:\n  - sgd: {learning_rate: 1, nesterov: true}\n",
            "x.yaml:3:5: nesterov needs momentum; set momentum above 0");
}

Test(fields, numbers_are_strict)
{
    static const char *const bad_ints[] = {
        "1e2", "0x10", "010", "1_000", "+1", "--1", "9223372036854775808", "99999999999999999999999",
        "1 2", ".5",   "1.",  "-",     "１"};
    static const char *const bad_reals[] = {".inf",  "-.inf",  ".nan",   "nan",   "inf",   "infinity",
                                            "1e400", "-1e400", "1e-400", "0x1p3", "1,5",   "1.5x",
                                            ".",     "e5",     "1e",     "1e+",   "1_0.5", "true"};
    char text[64];
    for (size_t i = 0; i < ARRAY_SIZE(bad_ints); i++) {
        struct fixture fixture;
        snprintf(text, sizeof text, "plain: %s\n", bad_ints[i]);
        cr_assert_eq(read_text(&fixture, text), STATUS_INVALID_ARGUMENT, "%s", text);
        release(&fixture);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_reals); i++) {
        struct fixture fixture;
        snprintf(text, sizeof text, "real: %s\n", bad_reals[i]);
        cr_assert_eq(read_text(&fixture, text), STATUS_INVALID_ARGUMENT, "%s", text);
        release(&fixture);
    }
}

static double real_of(const char *value)
{
    char text[64];
    snprintf(text, sizeof text, "real: %s\n", value);
    struct fixture fixture = taken(text);
    double real = fixture.whole.real;
    release(&fixture);
    return real;
}

Test(fields, reals_are_read_exactly)
{
    cr_assert_eq(real_of("1"), 1);
    cr_assert_eq(real_of("-.5"), -.5);
    cr_assert_eq(real_of("+2.5e-3"), 2.5e-3);
    cr_assert_eq(real_of("5."), 5);
    cr_assert_eq(real_of("0e5"), 0);
    cr_assert_eq(real_of("0.0"), 0);
    cr_assert_eq(real_of("1.7976931348623157e308"), DBL_MAX);
    cr_assert_eq(real_of("5e-324"), 5e-324);
}

static int64_t deadline_of(const char *value)
{
    char text[64];
    snprintf(text, sizeof text, "deadline: %s\n", value);
    struct fixture fixture = taken(text);
    int64_t deadline = fixture.whole.deadline;
    release(&fixture);
    return deadline;
}

Test(fields, durations_and_sizes_carry_their_unit)
{
    cr_assert_eq(deadline_of("250ms"), 250);
    cr_assert_eq(deadline_of("60s"), 60000);
    cr_assert_eq(deadline_of("5m"), 300000);
    cr_assert_eq(deadline_of("2h"), 7200000);
    cr_assert_eq(deadline_of("0"), 0);
    struct fixture fixture = taken("limit: 64KiB");
    cr_assert_eq(fixture.whole.limit, 65536);
    cr_assert(fixture.whole.has_limit);
    release(&fixture);
    refused("deadline: 60\n", "x.yaml:1:11: deadline '60' must be a duration such as 250ms, 60s, 5m or 2h");
    refused("deadline: -1s\n", "x.yaml:1:11: deadline '-1s' must be a duration such as 250ms, 60s, 5m or 2h");
    refused("deadline: 9223372036854775807h\n",
            "x.yaml:1:11: deadline '9223372036854775807h' must be a duration "
            "such as 250ms, 60s, 5m or 2h");
    refused("limit: 64KB\n",
            "x.yaml:1:8: limit '64KB' must be a size in bytes such as 512, 64KiB, 1MiB or 2GiB");
}

// Dumps, reads the dump, dumps that: both dumps must be the same text.
static char *dump_twice(const struct fixture *fixture)
{
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    fields_dump(whole_fields, &fixture->whole, 0, &first);
    cr_assert(!first.failed);
    struct fixture again = taken(first.data);
    fields_dump(whole_fields, &again.whole, 0, &second);
    cr_assert_str_eq(first.data, second.data);
    bytes_release(&second);
    release(&again);
    return first.data;
}

Test(fields, a_dump_spells_every_default_out)
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

Test(fields, reals_are_dumped_in_the_shortest_form_that_reads_back)
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

Test(fields, any_text_reads_back_as_it_was)
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

Test(fields, text_that_is_no_utf8_is_dumped_as_text_that_is)
{
    struct fixture fixture = taken("");
    fixture.whole.text = "a\xFF\xC3(\xED\xA0\x80";
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_not_null(strstr(dump, "text: \"a\\uFFFD\\uFFFD(\\uFFFD\\uFFFD\\uFFFD\"\n"), "%s", dump);
    release(&fixture);
}

Test(fields, the_locale_changes_nothing)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "C.UTF-8");
    struct fixture fixture = taken("real: 1.5\n");
    cleanup_free char *dump = dump_twice(&fixture);
    cr_assert_eq(fixture.whole.real, 1.5);
    cr_assert_not_null(strstr(dump, "real: 1.5\n"));
    release(&fixture);
}

Test(fields, every_failing_allocation_is_an_error)
{
    const char *text = "text: abc\nints: [1, 2]\ntexts: [a, b]\nchoices: [{sgd: {learning_rate: 1}}, adam]\n";
    struct error error = ERROR_INIT;
    struct document document = DOCUMENT_INIT;
    cr_assert_eq(document_parse(&document, text, strlen(text), "x.yaml", &error), STATUS_OK);
    bool failed = true;
    for (size_t limit = 16; failed; limit += 16) {
        struct arena arena = {.limit_bytes = limit};
        struct whole whole = {0};
        failed = fields_read(whole_fields, document.root, &whole, &arena, &error) != STATUS_OK;
        if (failed)
            cr_assert_eq(error.status, STATUS_RESOURCE_EXHAUSTED, "%s", error.message);
        arena_release(&arena);
        cr_assert_lt(limit, 100000);
    }
    document_release(&document);
}

Test(fields, the_environment_overrides_the_document)
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

Test(fields, a_bad_variable_is_named)
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

Test(fields, help_tells_type_default_and_variable)
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

Test(fields, the_reference_lists_every_key_and_every_kind_in_reach)
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

struct item {
    int64_t count;
    struct choice choice;
};

static const struct field item_fields[] = {
    {.name = "count", .type = FIELD_INT, .offset = offsetof(struct item, count), .required = true},
    {.name = "choice",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct item, choice),
     .registry = &optimizers,
     .fallback = "none"},
    {0},
};

static const struct field list_fields[] = {
    {.name = "items", .type = FIELD_SECTIONS, .fields = item_fields, .item_bytes = sizeof(struct item)},
    {0},
};

static enum status read_list(struct fixture *fixture, const char *text, struct section_list *ret)
{
    *fixture = (struct fixture){0};
    TRY(document_parse(&fixture->document, text, strlen(text), "x.yaml", &fixture->error));
    return fields_read(list_fields, fixture->document.root, ret, &fixture->arena, &fixture->error);
}

static void refused_list(const char *text, const char *expected)
{
    struct fixture fixture;
    struct section_list list = {0};
    cr_assert_eq(read_list(&fixture, text, &list), STATUS_INVALID_ARGUMENT, "'%s' was taken", text);
    cr_assert_str_eq(fixture.error.message, expected);
    release(&fixture);
}

Test(fields, a_list_of_sections_reads_back_from_its_dump)
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

Test(fields, a_list_of_sections_is_refused_where_an_item_is_wrong)
{
    refused_list("items: {count: 1}\n", "x.yaml:1:8: items must be a list of maps of options, not a map");
    refused_list("items:\n  - count: 1\n  - 5\n", "x.yaml:3:5: items '5' must be a list of maps of options");
    refused_list("items: [{choice: adam}]\n", "x.yaml:1:9: missing 'count' of items; give a whole number");
    refused_list("items:\n  - {count: 1, size: 2}\n",
                 "x.yaml:2:16: unknown key 'size'; allowed: count, choice");
}
