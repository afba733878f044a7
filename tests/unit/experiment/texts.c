#include "texts.h"
#include <criterion/criterion.h>
#include <string.h>

enum status parse(struct experiment *ret, const char *text, const char *set, struct error *error)
{
    struct experiment_override override = {.text = set, .source = "--set"};
    return experiment_parse(ret, text, strlen(text), "x.yaml", &override, set != NULL, error);
}

struct experiment taken(const char *text, const char *set)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(parse(&experiment, text, set, &error), STATUS_OK, "%s", error.message);
    return experiment;
}

void refused(const char *text, const char *set, const char *expected)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(parse(&experiment, text, set, &error), STATUS_INVALID_ARGUMENT, "taken: %s", expected);
    cr_assert_eq(strncmp(error.message, expected, strlen(expected)), 0, "%s", error.message);
    cr_assert_null(experiment.document.root);
}
