// Every row of graphs.def: among any number of learners that it accepts the graph is connected, undirected,
// and its Metropolis weights are a symmetric matrix whose rows sum to one.
#include "../unit/topology/choose.h"
#include "topology/graph.h"

enum { N_MAX = 33 };

// Options beyond the defaults for kinds whose required ones have none.
static struct choice choose_row(const struct kind *kind, size_t n)
{
    char yaml[600], list[400] = "";
    for (size_t i = 0, at = 0; i + 1 < n; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%zu-%zu", i ? ", " : "", i, i + 1);
    if (strcmp(kind->name, "edges") == 0)
        snprintf(yaml, sizeof yaml, "{kind: edges, list: [%s]}", list);
    else
        snprintf(yaml, sizeof yaml, "%s", kind->name);
    return choose(&graphs, yaml);
}

static void check_weights(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < graph->n; j++) {
            double weight = graph_weight(graph, i, j);
            cr_assert(weight >= 0, "%s", name);
            cr_assert_eq(weight, graph_weight(graph, j, i), "%s: %zu and %zu of %zu", name, i, j, graph->n);
            cr_assert_eq(graph_joined(graph, i, j), graph_joined(graph, j, i), "%s", name);
            sum += weight;
        }
        cr_assert_float_eq(sum, 1, 1e-12, "%s", name);
        cr_assert(!graph_joined(graph, i, i), "%s", name);
    }
}

Test(graphs, are_connected_and_mix_by_symmetric_rows_that_sum_to_one)
{
    uint32_t members[N_MAX];
    for (size_t k = 0; k < graphs.n_kinds; k++)
        for (size_t n = 1; n <= N_MAX; n++) {
            const struct graph_kind *kind = (const struct graph_kind *)graphs.kinds[k];
            struct choice choice = choose_row(&kind->kind, n);
            struct graph graph = GRAPH_INIT;
            struct error error = ERROR_INIT;
            for (size_t i = 0; i < n; i++)
                members[i] = (uint32_t)i;
            if (!kind->check_learners || kind->check_learners(choice.options, n, NULL) == STATUS_OK) {
                cr_assert_eq(graph_new(&graph, &choice, n, members, n, &error), STATUS_OK, "%s",
                             error.message);
                cr_assert(graph_connected(&graph), "%s of %zu", kind->kind.name, n);
                check_weights(&graph, kind->kind.name);
                graph_release(&graph);
            }
            choose_done();
        }
}
