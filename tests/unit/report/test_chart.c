#include "report/chart.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static size_t count(const char *haystack, const char *needle)
{
    size_t n = 0;
    for (const char *at = haystack; (at = strstr(at, needle)); at += strlen(needle))
        n++;
    return n;
}

// How many points the first line's path has.
static size_t path_points(const char *html)
{
    const char *d = strstr(html, "class=\"line\"");
    d = d ? strstr(d, " d=\"") : NULL;
    cr_assert(d);
    size_t n = 0;
    for (d += 4; *d != '"'; d++)
        n += *d == 'M' || *d == 'L';
    return n;
}

static double rounds[5000], values[5000];

static struct bytes lines(size_t n, double low, double high)
{
    static struct chart_series series = {"test", values, "test"};
    for (size_t i = 0; i < n; i++)
        rounds[i] = (double)i + 1;
    struct bytes bytes = BYTES_INIT;
    chart_lines(&bytes, &(struct chart){"Loss", n, rounds, 1, &series, low, high});
    return bytes;
}

Test(chart, steps_are_one_two_or_five)
{
    cr_assert_float_eq(chart_step(1, 5), 0.2, 1e-12);
    cr_assert_float_eq(chart_step(0.93, 5), 0.2, 1e-12);
    cr_assert_float_eq(chart_step(2.4, 5), 0.5, 1e-12);
    cr_assert_float_eq(chart_step(999, 8), 200, 1e-9);
    cr_assert_float_eq(chart_step(3e-7, 5), 1e-7, 1e-15);
}

Test(chart, every_point_of_a_short_line_is_drawn)
{
    for (size_t i = 0; i < 20; i++)
        values[i] = 1.0 / (double)(i + 1);
    struct bytes bytes = lines(20, NAN, NAN);
    cr_assert_eq(path_points(bytes.data), 20);
    cr_assert_eq(count(bytes.data, "<circle"), 20);
    bytes_release(&bytes);
}

Test(chart, a_long_line_is_thinned_and_keeps_its_one_spike)
{
    memset(values, 0, sizeof values);
    values[3333] = 8;
    struct bytes bytes = lines(5000, NAN, NAN);
    cr_assert_leq(path_points(bytes.data), 400);
    cr_assert(strstr(bytes.data, " 3334 "), "the spike's round is gone");
    cr_assert(strstr(bytes.data, "8.0000"));
    bytes_release(&bytes);
}

Test(chart, what_is_unknown_is_a_gap)
{
    const double some[] = {1, 2, NAN, 4, INFINITY, 5};
    memcpy(values, some, sizeof some);
    struct bytes bytes = lines(6, NAN, NAN);
    const char *d = strstr(bytes.data, " d=\"M");
    const char *line = strstr(bytes.data, "class=\"line\"");
    cr_assert(d && line);
    cr_assert_eq(path_points(bytes.data), 4);
    cr_assert_not(strstr(line, "nan"));
    cr_assert_not(strstr(line, "inf"));
    bytes_release(&bytes);
}

Test(chart, a_chart_of_nothing_known_is_left_out)
{
    for (size_t i = 0; i < 5; i++)
        values[i] = NAN;
    struct bytes bytes = lines(5, NAN, NAN);
    cr_assert_eq(bytes.n, 0);
    bytes_release(&bytes);
}

Test(chart, a_share_never_gets_an_axis_beyond_one)
{
    values[0] = 0.95, values[1] = 0.999;
    struct bytes bytes = lines(2, 0, 1);
    cr_assert(strstr(bytes.data, ">1.00</text>"));
    cr_assert_not(strstr(bytes.data, ">1.01</text>"));
    bytes_release(&bytes);
}

Test(chart, equal_huge_and_tiny_values_still_have_an_axis)
{
    const double pairs[][2] = {{3, 3},           {0, 0},   {1e300, -1e300},
                               {1e-300, 2e-300}, {-5, -5}, {1e17, 1e17 + 16}};
    for (size_t i = 0; i < 6; i++) {
        memcpy(values, pairs[i], sizeof pairs[i]);
        struct bytes bytes = lines(2, NAN, NAN);
        size_t ticks = count(bytes.data, "class=\"yt\"");
        cr_assert_geq(ticks, 2, "pair %zu", i);
        cr_assert_leq(ticks, 12, "pair %zu", i);
        bytes_release(&bytes);
    }
}

Test(chart, bars_stand_for_stretches_when_rounds_are_many)
{
    for (size_t i = 0; i < 1000; i++) {
        rounds[i] = (double)i + 1;
        values[i] = 0.1;
    }
    struct chart_series series = {"whole", values, "test"};
    struct bytes bytes = BYTES_INIT;
    chart_bars(&bytes, &(struct chart){"Seconds", 1000, rounds, 1, &series, 0, NAN});
    cr_assert_leq(count(bytes.data, "<rect"), 120);
    cr_assert(strstr(bytes.data, "rounds 1 to 9\nwhole  100 ms"));
    bytes_release(&bytes);
}

Test(chart, a_spark_of_one_point_is_a_dot_and_of_none_nothing)
{
    struct bytes bytes = BYTES_INIT;
    chart_spark(&bytes, "loss", "train", (double[]){NAN}, 1, 0, 1);
    cr_assert_eq(bytes.n, 0);
    chart_spark(&bytes, "loss", "train", (double[]){0.5}, 1, 0.5, 0.5);
    cr_assert_eq(count(bytes.data, "<circle"), 1);
    bytes_release(&bytes);
}
