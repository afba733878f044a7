#include "topology/graph.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct graph_kind graph_##name;
#include "topology/graphs/graphs.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &graph_##name.kind,
#include "topology/graphs/graphs.def"
#undef X
};

const struct registry graphs = {.what = "graph", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

// ---- building -------------------------------------------------------------------------------------------

// Every edge in both directions.
struct graph_edges {
    size_t n, room;
    struct graph_edge *items;
};

static bool append(struct graph_edges *edges, uint32_t a, uint32_t b)
{
    if (edges->n == edges->room) {
        size_t room = edges->room ? 2 * edges->room : 64;
        struct graph_edge *items = memory_resize(edges->items, room, sizeof *items);
        if (!items)
            return false;
        edges->items = items;
        edges->room = room;
    }
    edges->items[edges->n++] = (struct graph_edge){a, b};
    return true;
}

bool graph_add(struct graph_edges *edges, size_t a, size_t b)
{
    return a == b || (append(edges, (uint32_t)a, (uint32_t)b) && append(edges, (uint32_t)b, (uint32_t)a));
}

static int in_order(const void *x, const void *y)
{
    const struct graph_edge *p = x, *q = y;
    if (p->a != q->a)
        return p->a < q->a ? -1 : 1;
    return p->b < q->b ? -1 : p->b > q->b;
}

static enum status pack(struct graph *ret, struct graph_edges *edges, size_t n, struct error *error)
{
    struct graph graph = {.n = n};
    graph.starts = memory_array(n + 1, sizeof *graph.starts);
    graph.neighbours = memory_array(edges->n + 1, sizeof *graph.neighbours);
    if (!graph.starts || !graph.neighbours) {
        graph_release(&graph);
        return error_no_memory(error, edges->n * sizeof *graph.neighbours);
    }
    if (edges->n)
        qsort(edges->items, edges->n, sizeof *edges->items, in_order);
    size_t k = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        graph.starts[i] = k;
        for (; at < edges->n && edges->items[at].a == i; at++)
            if (k == graph.starts[i] || graph.neighbours[k - 1] != edges->items[at].b)
                graph.neighbours[k++] = edges->items[at].b;
    }
    graph.starts[n] = k;
    *ret = graph;
    return STATUS_OK;
}

enum status graph_new(struct graph *ret, const struct choice *choice, size_t n_learners,
                      const uint32_t *members, size_t n, struct error *error)
{
    struct graph_edges edges = {0};
    const struct graph_kind *kind = (const struct graph_kind *)choice->kind;
    if (!kind)
        kind = (const struct graph_kind *)registry_find(&graphs, "ring");
    enum status status = kind->add_edges(choice->options, n_learners, members, n, &edges, error);
    if (status == STATUS_OK)
        status = pack(ret, &edges, n, error);
    memory_free(edges.items);
    return status;
}

void graph_release(struct graph *graph)
{
    memory_free(graph->starts);
    memory_free(graph->neighbours);
    *graph = GRAPH_INIT;
}

// ---- asking ---------------------------------------------------------------------------------------------

size_t graph_degree(const struct graph *graph, size_t i)
{
    return graph->starts[i + 1] - graph->starts[i];
}

bool graph_joined(const struct graph *graph, size_t i, size_t j)
{
    for (size_t k = graph->starts[i]; k < graph->starts[i + 1]; k++)
        if (graph->neighbours[k] == j)
            return true;
    return false;
}

bool graph_connected(const struct graph *graph)
{
    cleanup_free uint32_t *waiting = memory_array(graph->n + 1, sizeof *waiting);
    cleanup_free char *seen = memory_array(graph->n + 1, 1);
    if (!waiting || !seen)
        return false;
    size_t n_waiting = 0, n_seen = 0;
    if (graph->n) {
        waiting[n_waiting++] = 0;
        seen[0] = 1;
    }
    while (n_waiting) {
        uint32_t i = waiting[--n_waiting];
        n_seen++;
        for (size_t k = graph->starts[i]; k < graph->starts[i + 1]; k++) {
            uint32_t j = graph->neighbours[k];
            if (!seen[j])
                waiting[n_waiting++] = j;
            seen[j] = 1;
        }
    }
    return n_seen == graph->n;
}

static double between(const struct graph *graph, size_t i, size_t j)
{
    size_t a = graph_degree(graph, i), b = graph_degree(graph, j);
    return 1.0 / (1.0 + (double)(a > b ? a : b));
}

double graph_weight(const struct graph *graph, size_t i, size_t j)
{
    if (i != j)
        return graph_joined(graph, i, j) ? between(graph, i, j) : 0;
    double left = 1;
    for (size_t k = graph->starts[i]; k < graph->starts[i + 1]; k++)
        left -= between(graph, i, graph->neighbours[k]);
    return left > 0 ? left : 0; // rounding
}
