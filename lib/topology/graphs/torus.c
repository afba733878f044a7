// A grid that is closed in both directions. Its rows are the largest number of at most sqrt(n) that divides
// n, so of a prime number of learners it is a ring.
#include "topology/graph.h"

static size_t n_rows(size_t n)
{
    size_t rows = 1;
    for (size_t k = 2; k * k <= n; k++)
        if (n % k == 0)
            rows = k;
    return rows;
}

static enum status add_edges(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                             struct graph_edges *edges, struct error *error)
{
    size_t rows = n_rows(n), columns = n / rows;
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++) {
            size_t here = row * columns + column;
            if (!graph_add(edges, here, row * columns + (column + 1) % columns) ||
                !graph_add(edges, here, (row + 1) % rows * columns + column))
                return error_no_memory(error, n * sizeof(struct graph_edge));
        }
    return STATUS_OK;
}

const struct graph_kind graph_torus = {
    .kind = {.name = "torus",
             .help =
                 "A grid closed in both directions, as near to a square as the number of learners allows: "
                 "four neighbours each"},
    .add_edges = add_edges,
};
