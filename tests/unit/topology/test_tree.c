#include "choose.h"
#include "topology/topology.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct topology_kind *tree(void)
{
    return (const struct topology_kind *)registry_find(&topologies, "tree");
}

Test(tree, weighs_as_a_star_whatever_the_relays)
{
    struct choice choice = choose(&topologies, "{kind: tree, relays: 7}");
    const double weights[] = {1, 2, 5};
    double row[3];
    tree()->mixing_row(choice.options, 3, 1, weights, row);
    cr_assert_eq(row[0], 0.125);
    cr_assert_eq(row[1], 0.25);
    cr_assert_eq(row[2], 0.625);
    cr_assert(tree()->through_coordinator);
    cr_assert_eq(tree()->n_relays(choice.options), 7);
    choose_done();
}

Test(tree, needs_a_learner_behind_each_relay)
{
    struct choice choice = choose(&topologies, "{kind: tree, relays: 4}");
    struct error error = ERROR_INIT;
    cr_assert_eq(tree()->check_learners(choice.options, 4, &error), STATUS_OK);
    cr_assert_eq(tree()->check_learners(choice.options, 3, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "'4'") && strstr(error.message, "3"), "%s", error.message);
    choose_done();
}
