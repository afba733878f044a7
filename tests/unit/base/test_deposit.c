#include "base/deposit.h"
#include <criterion/criterion.h>
#include <string.h>

enum { BYTES = 9000 };

static unsigned char from[BYTES + 64], to[BYTES + 128], expected[BYTES + 128];

static void fill(unsigned char *bytes, size_t n, unsigned int seed)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 131 + i / 251 + seed);
}

static void check(size_t at, size_t shift, size_t n)
{
    fill(to, sizeof to, 7);
    fill(expected, sizeof expected, 7);
    memcpy(expected + at, from + shift, n);
    deposit(to + at, from + shift, n);
    cr_assert_eq(memcmp(to, expected, sizeof to), 0, "%zu bytes to %zu from %zu", n, at, shift);
}

Test(deposit, copies_what_it_is_given_and_nothing_else)
{
    fill(from, sizeof from, 1);
    for (size_t at = 0; at < 64; at += 3)
        for (size_t shift = 0; shift < 64; shift += 7) {
            check(at, shift, 0);
            check(at, shift, 1);
            check(at, shift, 4095);
            check(at, shift, 4096);
            check(at, shift, BYTES);
        }
}
