#include "base/memory.h"
#include "options.h"
#include <criterion/criterion.h>
#include <string.h>

Test(fields_read, absent_options_take_their_defaults)
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
    cr_assert_eq(whole->choice.kind, &option_sgd);
    cr_assert_eq(((const struct sgd *)whole->choice.options)->rate, 0.5);
    cr_assert_null(whole->absent.kind);
    cr_assert_eq(whole->nested.kind, &option_none);
    cr_assert_eq(whole->choices.n, 0);
    release(&fixture);
}

Test(fields_read, everything_absent_needs_no_map)
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

Test(fields_read, a_choice_is_written_in_three_ways)
{
    struct fixture fixture = taken("choice: none\nchoices:\n  - sgd: {learning_rate: 0.1}\n  - kind: sgd\n"
                                   "    learning_rate: 0.2\n  - none: null\n  - adam\n  - {kind: none}\n"
                                   "  - adam: {}\n  - \"none\"\n");
    const struct choice *choices = fixture.whole.choices.choices;
    cr_assert_eq(fixture.whole.choice.kind, &option_none);
    cr_assert_null(fixture.whole.choice.options);
    cr_assert_eq(fixture.whole.choices.n, 7);
    cr_assert_eq(choices[0].kind, &option_sgd);
    cr_assert_eq(((const struct sgd *)choices[0].options)->rate, 0.1);
    cr_assert_eq(((const struct sgd *)choices[1].options)->rate, 0.2);
    cr_assert_eq(choices[1].mark.line, 4);
    cr_assert_eq(choices[1].mark.column, 5);
    cr_assert_eq(choices[2].kind, &option_none);
    cr_assert_eq(choices[3].kind, &option_adam);
    cr_assert_eq(choices[5].kind, &option_adam);
    cr_assert_eq(choices[6].kind, &option_none);
    release(&fixture);
}

Test(fields_read, an_unknown_key_names_the_nearest_and_the_allowed)
{
    refused("inner:\n  minimun: 1\n",
            "x.yaml:2:3: unknown key 'minimun'; did you mean 'minimum'? allowed: minimum, fraction");
    refused("choice:\n  kind: sgd\n  learnig_rate: 0.1\n",
            "x.yaml:3:3: unknown key 'learnig_rate'; did you mean 'learning_rate'? allowed: learning_rate, "
            "momentum, nesterov");
    refused("inner: {zzz: 1}\n", "x.yaml:1:9: unknown key 'zzz'; allowed: minimum, fraction");
    refused("choice: {kind: none, x: 1}\n", "x.yaml:1:22: unknown key 'x'; none has no options, remove it");
}

Test(fields_read, an_unknown_kind_names_the_nearest_and_the_known)
{
    refused("choice: sdg\n",
            "x.yaml:1:9: unknown optimizer 'sdg'; did you mean 'sgd'? known: adam, none, sgd");
    refused("choice: {kind: whatever}\n",
            "x.yaml:1:16: unknown optimizer 'whatever'; known: adam, none, sgd");
    refused("choices:\n  - adma: {x: 1}\n",
            "x.yaml:2:5: unknown optimizer 'adma'; did you mean 'adam'? known: adam, none, sgd");
}

Test(fields_read, a_wrong_type_says_what_was_expected_and_found)
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

Test(fields_read, a_missing_option_is_named_with_its_owner)
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

Test(fields_read, options_that_contradict_each_other_are_refused_where_the_kind_stands)
{
    refused("count: 3\nchoices:\n  - sgd: {learning_rate: 1, nesterov: true}\n",
            "x.yaml:3:5: nesterov needs momentum; set momentum above 0");
}

Test(fields_read, every_failing_allocation_is_an_error)
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

static void refused_list(const char *text, const char *expected)
{
    struct fixture fixture;
    struct section_list list = {0};
    cr_assert_eq(read_list(&fixture, text, &list), STATUS_INVALID_ARGUMENT, "'%s' was taken", text);
    cr_assert_str_eq(fixture.error.message, expected);
    release(&fixture);
}

Test(fields_read, a_list_of_sections_is_refused_where_an_item_is_wrong)
{
    refused_list("items: {count: 1}\n", "x.yaml:1:8: items must be a list of maps of options, not a map");
    refused_list("items:\n  - count: 1\n  - 5\n", "x.yaml:3:5: items '5' must be a list of maps of options");
    refused_list("items: [{choice: adam}]\n", "x.yaml:1:9: missing 'count' of items; give a whole number");
    refused_list("items:\n  - {count: 1, size: 2}\n",
                 "x.yaml:2:16: unknown key 'size'; allowed: count, choice");
}
