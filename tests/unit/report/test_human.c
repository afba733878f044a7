#include "report/human.h"
#include <criterion/criterion.h>
#include <math.h>

#define EXPECT(call, text) cr_assert_str_eq(call, text)

Test(human, seconds_choose_their_unit)
{
    char text[HUMAN_BYTES];
    EXPECT(human_seconds(0, text), "0.0 ms");
    EXPECT(human_seconds(0.0041, text), "4.1 ms");
    EXPECT(human_seconds(0.0414, text), "41 ms");
    EXPECT(human_seconds(2.44, text), "2.4 s");
    EXPECT(human_seconds(59.96, text), "1 min 0 s");
    EXPECT(human_seconds(119.9, text), "2 min 0 s");
    EXPECT(human_seconds(7500, text), "2 h 5 min");
    EXPECT(human_seconds(1e300, text), "277777777777 h 46 min");
}

Test(human, bytes_count_in_thousands)
{
    char text[HUMAN_BYTES];
    EXPECT(human_bytes(0, text), "0 B");
    EXPECT(human_bytes(999, text), "999 B");
    EXPECT(human_bytes(1400, text), "1.4 kB");
    EXPECT(human_bytes(999999, text), "1.0 MB");
    EXPECT(human_bytes(18800000, text), "19 MB");
    EXPECT(human_bytes(UINT64_MAX, text), "18 EB");
}

Test(human, counts_are_grouped)
{
    char text[HUMAN_BYTES];
    EXPECT(human_count(0, text), "0");
    EXPECT(human_count(999, text), "999");
    EXPECT(human_count(1000, text), "1,000");
    EXPECT(human_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

Test(human, the_unknown_is_a_dash)
{
    char text[HUMAN_BYTES];
    EXPECT(human_seconds(NAN, text), "–");
    EXPECT(human_seconds(-1, text), "–");
    EXPECT(human_metric(NAN, text), "–");
    EXPECT(human_share(NAN, text), "–");
}

Test(human, metrics_keep_their_meaning_when_tiny_or_huge)
{
    char text[HUMAN_BYTES];
    EXPECT(human_metric(0.87124, text), "0.8712");
    EXPECT(human_metric(0, text), "0.0000");
    EXPECT(human_metric(0.00001234, text), "1.23e-05");
    EXPECT(human_metric(-2e9, text), "-2.00e+09");
    EXPECT(human_metric(INFINITY, text), "inf");
    EXPECT(human_share(0.8712, text), "87.12 %");
}
