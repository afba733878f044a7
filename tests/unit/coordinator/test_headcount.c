#include "coordinator/headcount.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct rpc_peer site = {.name = "learner site-a"}, ward = {.name = "learner ward-*"};

Test(headcount, a_peer_has_so_many_and_others_have_theirs)
{
    struct headcounts all = {0};
    struct error error = ERROR_INIT;
    struct headcount *of_site[3], *of_ward = headcount_add(&all, &ward);
    for (int i = 0; i < 3; i++) {
        cr_assert(headcount_check(&all, &site, NULL, 3, &error) == STATUS_OK);
        of_site[i] = headcount_add(&all, &site);
    }
    cr_assert(headcount_check(&all, &site, NULL, 3, &error) == STATUS_RESOURCE_EXHAUSTED);
    cr_assert(strstr(error.message, "limits.learners_a_peer"), "%s", error.message);
    cr_assert(all.refused == 1);
    cr_assert(headcount_check(&all, &ward, NULL, 3, &error) == STATUS_OK);
    of_site[0] = headcount_drop(&all, of_site[0]);
    cr_assert(headcount_check(&all, &site, NULL, 3, &error) == STATUS_OK, "one has left");
    headcount_drop(&all, of_ward);
    headcount_release(&all);
}

Test(headcount, one_that_comes_back_has_its_place)
{
    struct headcounts all = {0};
    struct error error = ERROR_INIT;
    struct headcount *count = headcount_add(&all, &site);
    cr_assert(headcount_check(&all, &site, count, 1, &error) == STATUS_OK);
    cr_assert(headcount_check(&all, &site, NULL, 1, &error) == STATUS_RESOURCE_EXHAUSTED);
    headcount_drop(&all, count);
    cr_assert(!all.by_name, "nothing is kept of who has gone");
}
