#include "coordinator/downlink.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { PART = 100, MODEL = 4 * PART + 1 };

static struct downlink downlink;

static void fini(void)
{
    downlink_release(&downlink);
}

TestSuite(downlink, .fini = fini);

static struct coded *coded_of(uint32_t round, bool differs)
{
    struct coded *coded = coded_new(PART);
    cr_assert_not_null(coded);
    coded->round = round;
    coded->differs = differs;
    snprintf(coded->base, sizeof coded->base, "hash-%u", differs ? round - 1 : 0);
    memset(coded->bytes, (int)round, PART);
    return coded;
}

static unsigned int n_found(uint32_t round, uint32_t held_round, const char *held)
{
    const struct coded_parts found = downlink_find(&downlink, round, held_round, held);
    cr_assert_eq(found.bytes, (uint64_t)found.n * PART);
    for (unsigned int i = 0; i < found.n; i++)
        cr_assert_eq(found.parts[i]->round, round - found.n + 1 + i);
    return found.n;
}

Test(downlink, nothing_is_found_where_models_go_as_they_are)
{
    downlink_add(&downlink, NULL, MODEL);
    cr_assert_eq(n_found(1, 0, NULL), 0);
}

Test(downlink, the_newest_model_is_for_everyone)
{
    downlink_add(&downlink, coded_of(0, false), MODEL);
    downlink_add(&downlink, coded_of(1, false), MODEL);
    cr_assert_eq(n_found(1, 0, ""), 1);
    cr_assert_eq(n_found(1, 7, "another"), 1);
    cr_assert_eq(n_found(0, 0, ""), 0);
    cr_assert_eq(n_found(2, 0, ""), 0);
}

Test(downlink, differences_are_for_who_holds_what_they_start_from)
{
    for (uint32_t round = 1; round <= 3; round++)
        downlink_add(&downlink, coded_of(round, true), MODEL);
    cr_assert_eq(n_found(3, 2, "hash-2"), 1);
    cr_assert_eq(n_found(3, 2, NULL), 1);
    cr_assert_eq(n_found(3, 0, "hash-0"), 3);
    cr_assert_eq(n_found(2, 0, "hash-0"), 2);
    cr_assert_eq(n_found(3, 2, "hash-1"), 0, "another model of that round");
    cr_assert_eq(n_found(3, 2, ""), 0, "none");
    cr_assert_eq(n_found(3, 3, "hash-3"), 0, "it has the model");
    cr_assert_eq(n_found(2, 3, "hash-3"), 0, "it has a newer one");
    cr_assert_eq(n_found(3, UINT32_MAX, NULL), 0);
}

Test(downlink, no_more_is_kept_than_the_model_is_long)
{
    for (uint32_t round = 1; round <= 9; round++)
        downlink_add(&downlink, coded_of(round, true), MODEL);
    cr_assert_eq(downlink.n, 4);
    cr_assert_eq(n_found(9, 5, NULL), 4);
    cr_assert_eq(n_found(9, 4, NULL), 0);
    for (uint32_t round = 10; round <= 200; round++)
        downlink_add(&downlink, coded_of(round, true), UINT64_MAX);
    cr_assert_eq(downlink.n, DOWNLINK_KEPT_MAX);
    cr_assert_eq(n_found(200, 200 - DOWNLINK_KEPT_MAX, NULL), DOWNLINK_KEPT_MAX);
}

// The initial model may be coded whole, and what follows as differences.
Test(downlink, differences_do_not_start_from_nothing)
{
    downlink_add(&downlink, coded_of(0, false), MODEL);
    downlink_add(&downlink, coded_of(1, true), MODEL);
    cr_assert_eq(n_found(1, 0, "hash-0"), 1);
    cr_assert_eq(n_found(1, 0, ""), 0);
    cr_assert_eq(n_found(0, 0, ""), 1);
}

Test(downlink, a_gap_starts_anew)
{
    downlink_add(&downlink, coded_of(1, true), MODEL);
    downlink_add(&downlink, coded_of(3, true), MODEL);
    cr_assert_eq(n_found(3, 0, NULL), 0);
    cr_assert_eq(n_found(3, 2, NULL), 1);
    downlink_add(&downlink, NULL, MODEL);
    cr_assert_eq(n_found(3, 2, NULL), 0);
}

// What is being sent outlives what is kept.
Test(downlink, parts_are_counted)
{
    struct coded *mine = coded_ref(coded_of(1, true));
    downlink_add(&downlink, mine, MODEL);
    downlink_release(&downlink);
    cr_assert_eq(mine->bytes[PART - 1], 1);
    cr_assert_null(coded_unref(mine));
}
