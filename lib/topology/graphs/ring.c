// Each learner and the next one, the last and the first.
#include "topology/graph.h"

static enum status add_edges(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                             struct graph_edges *edges, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (!graph_add(edges, i, (i + 1) % n))
            return error_no_memory(error, n * sizeof(struct graph_edge));
    return STATUS_OK;
}

const struct graph_kind graph_ring = {
    .kind = {.name = "ring", .help = "Each learner has two neighbours, the one before and the one after it"},
    .add_edges = add_edges,
};
