#include "base/clock.h"
#include <criterion/criterion.h>

Test(clock, times_are_written_as_iso_8601_in_utc)
{
    char text[32];
    clock_format_utc(0, text);
    cr_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
    clock_format_utc(1714564800123, text);
    cr_assert_str_eq(text, "2024-05-01T12:00:00.123Z");
}

Test(clock, monotonic_time_never_goes_back)
{
    int64_t before = clock_monotonic_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_ns();
        cr_assert_geq(now, before);
        before = now;
    }
    cr_assert_leq(clock_monotonic_ms() - before / 1000000, 10000);
}
