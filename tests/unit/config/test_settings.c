#include "config/settings.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct target {
    int64_t a, b, c, d;
    const char *name;
};

#define ROW(member) .name = #member, .offset = offsetof(struct target, member)
static const struct field fields[] = {
    {ROW(a), .type = FIELD_INT, .fallback = "1"},
    {ROW(b), .type = FIELD_INT, .fallback = "1"},
    {ROW(c), .type = FIELD_INT, .fallback = "1"},
    {ROW(d), .type = FIELD_INT, .fallback = "1"},
    {ROW(name), .type = FIELD_TEXT},
    {0},
};

static char path[] = "/tmp/test-settings-XXXXXX";

static enum status read_all(struct settings *settings, const char *file, const char *override,
                            struct target *target, struct error *error)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, file, strlen(file)) == (ssize_t)strlen(file));
    close(fd);
    const struct texts overrides = {&override, override != NULL};
    enum status status = settings_read(settings, fields, path, "TEST", &overrides, target, error);
    unlink(path);
    return status;
}

Test(settings, the_command_line_goes_over_the_environment_and_that_over_the_file)
{
    struct settings settings = SETTINGS_INIT;
    struct target target = {0};
    struct error error = ERROR_INIT;
    setenv("TEST_C", "3", 1);
    setenv("TEST_D", "3", 1);
    setenv("TEST_NAME", "a: b", 1);
    cr_assert_eq(read_all(&settings, "b: 2\nc: 2\nd: 2\n", "d=4", &target, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(target.a, 1);
    cr_assert_eq(target.b, 2);
    cr_assert_eq(target.c, 3);
    cr_assert_eq(target.d, 4);
    cr_assert_str_eq(target.name, "a: b");
    settings_release(&settings);
}

Test(settings, nothing_given_is_every_default)
{
    struct settings settings = SETTINGS_INIT;
    struct target target = {0};
    struct error error = ERROR_INIT;
    const struct texts none = {0};
    cr_assert_eq(settings_read(&settings, fields, NULL, "TEST", &none, &target, &error), STATUS_OK);
    cr_assert_eq(target.d, 1);
    cr_assert_null(target.name);
    settings_release(&settings);
}

static void refused(const char *file, const char *override, const char *expected)
{
    struct settings settings = SETTINGS_INIT;
    struct target target = {0};
    struct error error = ERROR_INIT;
    cr_assert_eq(read_all(&settings, file, override, &target, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(error.message, expected), "%s", error.message);
    settings_release(&settings);
}

Test(settings, an_error_names_where_the_value_came_from_file)
{
    refused("b: two\n", NULL, ":1:4: b 'two' must be a whole number");
}

Test(settings, an_error_names_where_the_value_came_from_command_line)
{
    refused("", "c=two", "--set c=two: c 'two' must be a whole number");
}

Test(settings, an_override_without_a_value_is_refused)
{
    refused("", "c", "must be written key.path=value");
}
