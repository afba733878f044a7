// Gossip on a graph: X <- W X over the learners' stacked parameters, with Metropolis weights
// (topology/graph.h), `steps` times a round. Each learner keeps a model of its own; on a connected graph they
// approach each other.
#include "base/memory.h"
#include "topology/topology.h"
#include <string.h>

enum start { START_SAME, START_OWN };
static const char *const start_words[] = {[START_SAME] = "same", [START_OWN] = "own", NULL};

struct gossip_options {
    struct choice graph;
    int64_t steps;
    int start; // enum start
};

static const struct field fields[] = {
    {.name = "graph",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct gossip_options, graph),
     .registry = &graphs,
     .fallback = "ring",
     .help = "Who is whose neighbour; it must be connected"},
    {.name = "steps",
     .type = FIELD_INT,
     .offset = offsetof(struct gossip_options, steps),
     .fallback = "1",
     .min = 1,
     .max = 64,
     .help = "Exchanges with the neighbours a round"},
    {.name = "start",
     .type = FIELD_WORD,
     .offset = offsetof(struct gossip_options, start),
     .words = start_words,
     .fallback = "same",
     .help = "Learners start from the same weights, or each from weights drawn by a seed of its own"},
    {0},
};

static const struct gossip_options ring_once = {.steps = 1}; // graph kind NULL: a ring

static const struct gossip_options *given(const void *options)
{
    return options ? options : &ring_once;
}

static enum status gossip_graph(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                                struct graph *ret, struct error *error)
{
    return graph_new(ret, &given(options)->graph, n_learners, members, n, error);
}

static enum status graph_of_all(const void *options, size_t n, struct graph *ret, struct error *error)
{
    cleanup_free uint32_t *members = memory_array(n, sizeof *members);
    if (!members)
        return error_no_memory(error, n * sizeof *members);
    for (size_t i = 0; i < n; i++)
        members[i] = (uint32_t)i;
    return gossip_graph(options, n, members, n, ret, error);
}

static enum status check_learners(const void *options, size_t n, struct error *error)
{
    const struct choice *choice = &given(options)->graph;
    const struct graph_kind *kind = (const struct graph_kind *)choice->kind;
    struct graph graph = GRAPH_INIT;
    if (kind && kind->check_learners)
        TRY(kind->check_learners(choice->options, n, error));
    TRY(graph_of_all(options, n, &graph, error));
    bool connected = graph_connected(&graph);
    graph_release(&graph);
    return connected ? STATUS_OK
                     : error_set(error, STATUS_INVALID_ARGUMENT,
                                 "the graph of the %zu learners falls into parts that never hear of each "
                                 "other; add edges until it is connected",
                                 n);
}

static unsigned int steps(const void *options)
{
    return (unsigned int)given(options)->steps;
}

static bool own_start(const void *options)
{
    return given(options)->start == START_OWN;
}

static void gossip_row(const void *options, size_t n, size_t index, const double *weights, double *ret_row)
{
    struct graph graph = GRAPH_INIT;
    memset(ret_row, 0, n * sizeof *ret_row);
    ret_row[index] = 1; // without memory for the graph a learner has no neighbours
    if (graph_of_all(options, n, &graph, NULL) != STATUS_OK)
        return;
    ret_row[index] = graph_weight(&graph, index, index);
    for (size_t k = graph.starts[index]; k < graph.starts[index + 1]; k++)
        ret_row[graph.neighbours[k]] = graph_weight(&graph, index, graph.neighbours[k]);
    graph_release(&graph);
}

const struct topology_kind topology_gossip = {
    .kind = {.name = "gossip",
             .help = "Each learner mixes its model with its neighbours' on a graph; the coordinator holds no "
                     "parameters, and there is no model of all",
             .fields = fields,
             .options_bytes = sizeof(struct gossip_options)},
    .peers = PEERS_MIX,
    .check_learners = check_learners,
    .graph = gossip_graph,
    .steps = steps,
    .own_start = own_start,
    .mixing_row = gossip_row,
};
