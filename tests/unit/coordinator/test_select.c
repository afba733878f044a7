#include "coordinator/select.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static void fill(uint32_t *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        members[i] = (uint32_t)(i * 3);
}

Test(select, everyone_is_chosen_when_all_are_wanted)
{
    uint32_t members[5];
    fill(members, 5);
    select_uniform(1, 1, members, 5, 5);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert(eq(u32, members[i], i * 3));
}

Test(select, the_chosen_come_first_ascending_and_nobody_is_lost)
{
    for (uint32_t round = 1; round < 200; round++) {
        uint32_t members[20];
        bool seen[60] = {false};
        fill(members, 20);
        select_uniform(7, round, members, 20, 6);
        for (size_t i = 1; i < 6; i++)
            cr_assert(lt(u32, members[i - 1], members[i]));
        for (size_t i = 0; i < 20; i++) {
            cr_assert(not(seen[members[i]]));
            seen[members[i]] = true;
        }
    }
}

Test(select, the_same_seed_and_round_choose_the_same)
{
    uint32_t a[50], b[50];
    fill(a, 50);
    fill(b, 50);
    select_uniform(3, 9, a, 50, 10);
    select_uniform(3, 9, b, 50, 10);
    cr_assert(zero(int, memcmp(a, b, 10 * sizeof a[0])));
}

Test(select, another_round_or_seed_chooses_others)
{
    uint32_t a[50], b[50], c[50];
    fill(a, 50);
    fill(b, 50);
    fill(c, 50);
    select_uniform(3, 9, a, 50, 10);
    select_uniform(3, 10, b, 50, 10);
    select_uniform(4, 9, c, 50, 10);
    cr_assert(memcmp(a, b, 10 * sizeof a[0]) != 0);
    cr_assert(memcmp(a, c, 10 * sizeof a[0]) != 0);
}

Test(select, each_is_chosen_about_as_often)
{
    enum { ROUNDS = 4000, N = 10, CHOSEN = 3 };
    unsigned int times[N] = {0};
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t members[N];
        fill(members, N);
        select_uniform(1, round, members, N, CHOSEN);
        for (size_t i = 0; i < CHOSEN; i++)
            times[members[i] / 3]++;
    }
    // Mean 1200, standard deviation 29: five of them.
    for (size_t i = 0; i < N; i++)
        cr_assert(times[i] > 1055 && times[i] < 1345, "%zu was chosen %u times", i, times[i]);
}
