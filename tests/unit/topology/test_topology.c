#include "topology/topology.h"
#include <criterion/criterion.h>

Test(topology, star_gives_everyone_the_same_weighted_mean)
{
    const struct topology_kind *star = (const struct topology_kind *)registry_find(&topologies, "star");
    cr_assert_not_null(star);
    cr_assert(star->through_coordinator);
    const double weights[] = {10, 30, 60};
    for (size_t i = 0; i < 3; i++) {
        double row[3];
        star->mixing_row(NULL, 3, i, weights, row);
        cr_assert_float_eq(row[0], 0.1, 1e-15);
        cr_assert_float_eq(row[1], 0.3, 1e-15);
        cr_assert_float_eq(row[2], 0.6, 1e-15);
    }
}
