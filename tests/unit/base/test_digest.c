#include "base/digest.h"
#include <criterion/criterion.h>
#include <string.h>

enum { BYTES = 1000 };

static unsigned char content[BYTES];

static void fill(void)
{
    for (size_t i = 0; i < BYTES; i++)
        content[i] = (unsigned char)(i * 37 + i / 251);
}

Test(digest, tells_every_changed_bit_and_every_length)
{
    fill();
    for (size_t n = 0; n <= BYTES; n += n < 200 ? 1 : 97) {
        uint64_t whole = digest_of(content, n);
        cr_assert_eq(digest_of(content, n), whole);
        cr_assert(n == BYTES || digest_of(content, n + 1) != whole, "%zu bytes", n);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            content[bit / 8] ^= (unsigned char)(1U << bit % 8);
            cr_assert_neq(digest_of(content, n), whole, "bit %zu of %zu bytes", bit, n);
            content[bit / 8] ^= (unsigned char)(1U << bit % 8);
        }
    }
}

Test(digest, tells_changed_signs_and_exchanged_values)
{
    float values[64], changed[64];
    for (size_t i = 0; i < 64; i++)
        values[i] = (float)i * 0.25F - 7.0F;
    uint64_t whole = digest_of(values, sizeof values);
    for (size_t a = 0; a < 64; a++)
        for (size_t b = 0; b < a; b++) {
            memcpy(changed, values, sizeof values);
            changed[a] = -changed[a];
            changed[b] = -changed[b];
            cr_assert(digest_of(changed, sizeof changed) != whole, "signs of %zu and %zu", a, b);
            changed[a] = values[b];
            changed[b] = values[a];
            cr_assert(digest_of(changed, sizeof changed) != whole, "places of %zu and %zu", a, b);
        }
}

Test(digest, does_not_depend_on_alignment)
{
    unsigned char moved[BYTES + 8];
    fill();
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(moved + shift, content, BYTES);
        cr_assert_eq(digest_of(moved + shift, BYTES), digest_of(content, BYTES));
    }
}

Test(digest, parts_in_any_order_make_the_same)
{
    fill();
    uint64_t whole = digest_of(content, BYTES - 3);
    for (size_t cut = 0; cut < BYTES - 3; cut += DIGEST_WORD_BYTES) {
        uint64_t sum = digest_part(cut, content + cut, BYTES - 3 - cut);
        sum += digest_part(0, content, cut);
        cr_assert_eq(digest_close(sum, BYTES - 3), whole, "cut at %zu", cut);
    }
}

Test(digest, is_written_as_sixteen_digits)
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(UINT64_C(0xabc), hex);
    cr_assert_str_eq(hex, "0000000000000abc");
}
