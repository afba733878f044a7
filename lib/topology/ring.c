// Ring all-reduce between the learners (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for
// clusters of workstations", J. Parallel Distrib. Comput. 69, 2009, section 4): each sends its right
// neighbour 2 (n - 1) / n of a model a round. Everyone ends with the weighted mean:
// W_ij = w_j / sum_k w_k, the same row for all.
#include "topology/topology.h"

static void ring_row(const void *options, size_t n, size_t index, const double *weights, double *ret_row)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++)
        ret_row[i] = weights[i] / total;
}

const struct topology_kind topology_ring = {
    .kind = {.name = "ring",
             .help = "Learners sum their summaries round a ring of their own; the coordinator holds no "
                     "parameters, and everyone ends a round with the same model"},
    .peers = PEERS_RING,
    .mixing_row = ring_row,
};
