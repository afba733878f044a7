#include "report/json.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static void expect(double value, const char *text)
{
    struct bytes bytes = BYTES_INIT;
    bytes_json_real(&bytes, value);
    cr_assert_str_eq(bytes.data, text);
    bytes_release(&bytes);
}

Test(json, numbers_are_as_short_as_they_can_be)
{
    expect(0.1, "0.1");
    expect(0, "0");
    expect(20, "20");
    expect(-1.5, "-1.5");
    expect(235146, "235146");
    expect(1e300, "1e+300");
}

Test(json, every_number_reads_back_as_itself)
{
    const double values[] = {1.0 / 3, 0.1 + 0.2, 1e-310, 123456789.123456789, 0x1.fffffffffffffp1023};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct bytes bytes = BYTES_INIT;
        bytes_json_real(&bytes, values[i]);
        cr_assert(strtod(bytes.data, NULL) == values[i]);
        bytes_release(&bytes);
    }
}

Test(json, what_json_cannot_spell_is_null)
{
    expect(NAN, "null");
    expect(INFINITY, "null");
    expect(-INFINITY, "null");
}
