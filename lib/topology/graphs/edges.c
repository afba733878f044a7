// The edges as listed, by the learners' numbers. Of a round in which some do not take part, the edges among
// those who do are left.
#include "base/memory.h"
#include "topology/graph.h"
#include <stdio.h>
#include <stdlib.h>

struct edges_options {
    struct text_list list;
};

static const struct field fields[] = {
    {.name = "list",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct edges_options, list),
     .required = true,
     .help = "Pairs of learners' numbers, from 0: [0-1, 1-2, 2-0]"},
    {0},
};

static bool read_edge(const char *text, struct graph_edge *ret)
{
    char rest;
    return sscanf(text, "%9u-%9u%c", &ret->a, &ret->b, &rest) == 2; // no sign: %u after a digit only
}

static enum status check(const void *options, struct error *error)
{
    const struct edges_options *edges = options;
    struct graph_edge edge = {0};
    for (size_t i = 0; i < edges->list.n; i++) {
        const char *text = edges->list.values[i];
        if (text[0] < '0' || text[0] > '9' || !read_edge(text, &edge) || edge.a == edge.b)
            return error_set(
                error, STATUS_INVALID_ARGUMENT,
                "list has '%.60s', which is no edge; write two different learners' numbers, as in "
                "0-1",
                text);
    }
    return STATUS_OK;
}

static enum status check_learners(const void *options, size_t n, struct error *error)
{
    const struct edges_options *edges = options;
    for (size_t i = 0; i < edges->list.n; i++) {
        struct graph_edge edge = {0};
        if (!read_edge(edges->list.values[i], &edge) || edge.a >= n || edge.b >= n)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "list has '%.60s', but learners' numbers go from 0 to %zu",
                             edges->list.values[i], n - 1);
    }
    return STATUS_OK;
}

static int by_number(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)item;
    return a < b ? -1 : a > b;
}

static const uint32_t *find(const uint32_t *members, size_t n, uint32_t number)
{
    return bsearch(&number, members, n, sizeof number, by_number);
}

static enum status add_edges(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                             struct graph_edges *edges, struct error *error)
{
    const struct edges_options *given = options;
    for (size_t i = 0; i < given->list.n; i++) {
        struct graph_edge edge = {0};
        if (!read_edge(given->list.values[i], &edge))
            continue; // refused by `check`
        const uint32_t *a = find(members, n, edge.a), *b = find(members, n, edge.b);
        if (a && b && !graph_add(edges, (size_t)(a - members), (size_t)(b - members)))
            return error_no_memory(error, given->list.n * sizeof edge);
    }
    return STATUS_OK;
}

const struct graph_kind graph_edges = {
    .kind = {.name = "edges",
             .help = "The edges that are listed",
             .fields = fields,
             .options_bytes = sizeof(struct edges_options),
             .check = check},
    .check_learners = check_learners,
    .add_edges = add_edges,
};
