#include "base/philox.h"
#include "data/csv_value.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

Test(csv_value, numbers_are_rounded_as_the_c_library_rounds_them)
{
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST});
    for (int i = 0; i < 20000; i++) {
        char text[64];
        double number = 0, x = (random_double(&random) - 0.5) * (double)(1ull << random_below(&random, 40));
        snprintf(text, sizeof text, i % 3 ? "%.*g" : "%.*e", (int)random_below(&random, 20) + 1, x);
        cr_assert(csv_number(text, &number), "%s", text);
        cr_assert_eq(number, strtod(text, NULL), "%s: %.17g", text, number);
    }
    static const char *const texts[] = {"0",
                                        "-0",
                                        "007",
                                        "1.",
                                        ".5",
                                        "1e5",
                                        "1E-5",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000000001",
                                        "1e400",
                                        "1e-400",
                                        "9007199254740993",
                                        "5e99999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double number = -1;
        cr_assert(csv_number(texts[i], &number), "%s", texts[i]);
        cr_assert_eq(number, strtod(texts[i], NULL), "%s: %.17g", texts[i], number);
    }
}

Test(csv_value, what_is_no_number_is_told)
{
    static const char *const texts[] = {"",    "-",   ".",   "e5",  "1e",  "1e+", "1,5",
                                        "1 2", "0x1", "inf", "nan", "--1", "1a"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double number = 7;
        cr_assert(!csv_number(texts[i], &number), "%s", texts[i]);
        cr_assert_eq(number, 7);
    }
}
