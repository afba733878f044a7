#include "base/arguments.h"
#include "base/memory.h"
#include <criterion/criterion.h>
#include <string.h>

static bool quiet;
static const char *out;
static int64_t processes;
static struct texts sets;
static const struct argument table[] = {
    {"--quiet", ARGUMENT_FLAG, &quiet, NULL, "say nothing"},
    {"--out", ARGUMENT_TEXT, &out, "DIR", "where files go"},
    {"--processes", ARGUMENT_COUNT, &processes, "N", "how many"},
    {"--set", ARGUMENT_TEXTS, &sets, "KEY=VALUE", "override"},
    {0},
};

static enum status parse(struct error *error, struct texts *words, int argc, ...)
{
    char *argv[16] = {(char *)"cohort"};
    va_list list;
    va_start(list, argc);
    for (int i = 1; i <= argc; i++)
        argv[i] = va_arg(list, char *);
    va_end(list);
    return arguments_read(table, argc + 1, argv, words, 1, error);
}

Test(arguments, both_spellings_of_a_value_and_repeats_are_read)
{
    struct error error = ERROR_INIT;
    struct texts words = {0};
    cr_assert_eq(
        parse(&error, &words, 7, "--out=a", "x.yaml", "--processes", "3", "--set=a.b=1", "--set", "c=d"),
        STATUS_OK, "%s", error.message);
    cr_assert_str_eq(out, "a");
    cr_assert_eq(processes, 3);
    cr_assert_eq(sets.n, 2);
    cr_assert_str_eq(sets.items[0], "a.b=1");
    cr_assert_str_eq(words.items[0], "x.yaml");
    memory_free(words.items);
    memory_free(sets.items);
}

Test(arguments, a_misspelt_option_names_the_right_one)
{
    struct error error = ERROR_INIT;
    struct texts words = {0};
    cr_assert_eq(parse(&error, &words, 1, "--proceses=2"), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(error.message, "did you mean '--processes'?"));
}

Test(arguments, bad_values_are_refused)
{
    struct error error = ERROR_INIT;
    struct texts words = {0};
    cr_assert_eq(parse(&error, &words, 1, "--processes=-1"), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(parse(&error, &words, 1, "--processes=3x"), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(parse(&error, &words, 1, "--quiet=yes"), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(parse(&error, &words, 1, "--out"), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(parse(&error, &words, 2, "a", "b"), STATUS_INVALID_ARGUMENT);
    memory_free(words.items);
}
