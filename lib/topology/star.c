// Everyone exchanges with everyone through the coordinator: W_ij = w_j / sum_k w_k, the same row for all.
#include "topology/topology.h"

static void star_row(const void *options, size_t n, size_t index, const double *weights, double *ret_row)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++)
        ret_row[i] = weights[i] / total;
}

const struct topology_kind topology_star = {
    .kind = {.name = "star", .help = "Every learner exchanges with the coordinator, which keeps the model"},
    .through_coordinator = true,
    .mixing_row = star_row,
};
