// Every topology: each row of the mixing matrix is a weighted mean of learners.
#include "topology/topology.h"
#include <criterion/criterion.h>
#include <math.h>

enum { N_MAX = 33 };

Test(topologies, mix_by_rows_that_are_not_negative_and_sum_to_one)
{
    const double weight_sets[2][3] = {{1, 1, 1}, {600, 1, 37}};
    for (size_t k = 0; k < topologies.n_kinds; k++)
        for (size_t n = 1; n <= N_MAX; n++)
            for (size_t set = 0; set < 2; set++)
                for (size_t index = 0; index < n; index++) {
                    const struct topology_kind *topology = (const struct topology_kind *)topologies.kinds[k];
                    double weights[N_MAX], row[N_MAX], sum = 0;
                    for (size_t i = 0; i < n; i++) {
                        weights[i] = weight_sets[set][i % 3];
                        row[i] = NAN;
                    }
                    topology->mixing_row(NULL, n, index, weights, row);
                    for (size_t i = 0; i < n; i++) {
                        cr_assert(row[i] >= 0, "%s: learner %zu of %zu", topology->kind.name, index, n);
                        sum += row[i];
                    }
                    cr_assert_float_eq(sum, 1, 1e-12, "%s", topology->kind.name);
                }
}

Test(topologies, through_the_coordinator_give_everyone_the_same_model)
{
    const double weights[4] = {5, 1, 3, 2};
    for (size_t k = 0; k < topologies.n_kinds; k++) {
        const struct topology_kind *topology = (const struct topology_kind *)topologies.kinds[k];
        if (!topology->through_coordinator)
            continue;
        double first[4], row[4];
        topology->mixing_row(NULL, 4, 0, weights, first);
        for (size_t index = 1; index < 4; index++) {
            topology->mixing_row(NULL, 4, index, weights, row);
            for (size_t i = 0; i < 4; i++)
                cr_assert_eq(row[i], first[i], "%s", topology->kind.name);
        }
    }
}

Test(topologies, between_peers_say_how_summaries_travel)
{
    for (size_t k = 0; k < topologies.n_kinds; k++) {
        const struct topology_kind *topology = (const struct topology_kind *)topologies.kinds[k];
        cr_assert_eq(topology->through_coordinator, topology->peers == PEERS_NONE, "%s", topology->kind.name);
        if (topology->peers == PEERS_MIX)
            cr_assert(topology->graph && topology->steps && topology->own_start, "%s", topology->kind.name);
    }
}
