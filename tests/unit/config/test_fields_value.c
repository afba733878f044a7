#include "base/memory.h"
#include "options.h"
#include <criterion/criterion.h>
#include <float.h>
#include <stdio.h>

Test(fields_value, a_value_out_of_bounds_is_refused)
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

Test(fields_value, numbers_are_strict)
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

Test(fields_value, reals_are_read_exactly)
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

Test(fields_value, durations_and_sizes_carry_their_unit)
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
