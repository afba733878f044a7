#include "topology/topology.h"
#include <criterion/criterion.h>

Test(ring, gives_everyone_the_weighted_mean)
{
    const struct topology_kind *ring = (const struct topology_kind *)registry_find(&topologies, "ring");
    cr_assert_not_null(ring);
    cr_assert(!ring->through_coordinator);
    cr_assert_eq(ring->peers, PEERS_RING);
    const double weights[] = {10, 30, 60};
    for (size_t i = 0; i < 3; i++) {
        double row[3];
        ring->mixing_row(NULL, 3, i, weights, row);
        cr_assert_float_eq(row[0], 0.1, 1e-15);
        cr_assert_float_eq(row[1], 0.3, 1e-15);
        cr_assert_float_eq(row[2], 0.6, 1e-15);
    }
}
