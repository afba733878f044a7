#include "data/csv_value.h"
#include "base/memory.h"
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

// The parts of a decimal number: digits * 10^exponent.
struct decimal {
    bool negative, exact; // exact: every digit fits
    uint64_t digits;
    int exponent;
};

static const char *read_digits(const char *text, struct decimal *decimal, int shift)
{
    for (; *text >= '0' && *text <= '9'; text++) {
        if (decimal->digits >= 1ull << 49) { // one digit more may exceed 2^53
            decimal->exact = false;
            continue;
        }
        decimal->digits = decimal->digits * 10 + (uint64_t)(*text - '0');
        decimal->exponent -= shift;
    }
    return text;
}

static const char *read_exponent(const char *text, struct decimal *decimal)
{
    bool negative = *text == '-';
    int exponent = 0;
    text += *text == '-' || *text == '+';
    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++)
        if (exponent < 100000)
            exponent = exponent * 10 + (*text - '0');
    decimal->exponent += negative ? -exponent : exponent;
    return text;
}

static bool read_decimal(const char *text, struct decimal *ret)
{
    *ret = (struct decimal){.negative = *text == '-', .exact = true};
    text += *text == '-' || *text == '+';
    const char *whole = text;
    text = read_digits(text, ret, 0);
    size_t n = (size_t)(text - whole);
    if (*text == '.') {
        const char *fraction = ++text;
        text = read_digits(text, ret, 1);
        n += (size_t)(text - fraction);
    }
    if (n && (*text == 'e' || *text == 'E'))
        text = read_exponent(text + 1, ret);
    return n && text && *text == '\0';
}

// Digits and powers of ten that are exact doubles give the right rounding in one operation (Clinger, "How to
// read floating point numbers accurately", 1990); the C library does the rest.
bool csv_number(const char *text, double *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal decimal;
    if (!read_decimal(text, &decimal))
        return false;
    int exponent = decimal.exponent < 0 ? -decimal.exponent : decimal.exponent;
    if (decimal.exact && exponent < (int)ARRAY_SIZE(powers)) {
        double value = (double)decimal.digits;
        value = decimal.exponent < 0 ? value / powers[exponent] : value * powers[exponent];
        *ret = decimal.negative ? -value : value;
        return true;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *ret = strtod_l(text, NULL, plain);
    freelocale(plain);
    return true;
}

bool csv_is_not_finite(const char *text)
{
    text += *text == '-' || *text == '+';
    return strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0 || strcasecmp(text, "nan") == 0;
}
