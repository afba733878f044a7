#include "base/philox.h"
#include <criterion/criterion.h>
#include <math.h>

// Known answers of the Random123 distribution (kat_vectors: philox 4 32 10).
Test(philox, gives_the_published_vectors)
{
    uint32_t block[4];
    philox4x32((uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0, 0}, block);
    cr_assert_arr_eq(block, ((uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), sizeof block);
    philox4x32((uint32_t[]){~0u, ~0u, ~0u, ~0u}, (uint32_t[]){~0u, ~0u}, block);
    cr_assert_arr_eq(block, ((uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}), sizeof block);
    philox4x32((uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
               (uint32_t[]){0xa4093822, 0x299f31d0}, block);
    cr_assert_arr_eq(block, ((uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}), sizeof block);
}

Test(philox, every_part_of_the_key_changes_the_stream)
{
    struct random_key keys[] = {{.seed = 1}, {.seed = 1ull << 40}, {.learner = 1}, {.round = 1},
                                {.step = 1}, {.purpose = 1},       {.index = 1},   {0}};
    uint64_t seen[8];
    for (int i = 0; i < 8; i++) {
        struct random random = random_open(keys[i]);
        seen[i] = random_u64(&random);
        for (int j = 0; j < i; j++)
            cr_assert_neq(seen[i], seen[j]);
    }
}

Test(philox, distributions_have_their_moments)
{
    struct random random = random_open((struct random_key){.seed = 7, .purpose = RANDOM_TEST});
    double normal = 0, square = 0, gamma = 0, uniform = 0;
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        double x = random_normal(&random);
        normal += x, square += x * x;
        gamma += random_gamma(&random, 0.3);
        uniform += random_float(&random);
    }
    cr_assert_float_eq(normal / N, 0, 0.02);
    cr_assert_float_eq(square / N, 1, 0.03);
    cr_assert_float_eq(gamma / N, 0.3, 0.02);
    cr_assert_float_eq(uniform / N, 0.5, 0.01);
}

Test(philox, a_shuffle_is_a_permutation)
{
    uint32_t items[100], seen[100] = {0};
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    struct random random = random_open((struct random_key){.seed = 3});
    random_shuffle(&random, items, 100);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(seen[items[i]]++, 0);
}

Test(philox, many_words_at_once_are_those_of_single_calls)
{
    const size_t counts[] = {0, 1, 3, 4, 63, 64, 65, 500};
    for (int start = 0; start < 2; start++) {
        struct random single = random_open((struct random_key){.seed = 9, .purpose = RANDOM_TEST}), many;
        if (start == 1) // near the end of the low counter
            single.counter[0] = UINT32_MAX - 40;
        many = single;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            uint32_t words[500];
            random_words(&many, counts[i], words);
            for (size_t j = 0; j < counts[i]; j++)
                cr_assert_eq(words[j], random_u32(&single), "word %zu of %zu", j, counts[i]);
        }
    }
}
