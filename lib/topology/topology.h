// Who exchanges with whom, as pure functions: for algorithms that mix parameters linearly, the rows of the
// mixing matrix W.
#pragma once

#include "base/registry.h"
#include "topology/graph.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How summaries travel where they do not go through the coordinator.
enum peer_pattern {
    PEERS_NONE, // they do
    PEERS_RING, // sums go round a ring of all learners: everyone ends a round with the same model
    PEERS_MIX,  // whole summaries go along the edges of a graph: everyone keeps a model of its own
};

struct topology_kind {
    struct kind kind;
    bool through_coordinator; // summaries go to the coordinator, which keeps the model
    enum peer_pattern peers;
    // Refuses a number of learners that the options do not go with; NULL: any goes.
    enum status (*check_learners)(const void *options, size_t n, struct error *error);
    // Relays between the coordinator and the learners, which need a reducer of partial sums; NULL: none.
    uint32_t (*n_relays)(const void *options);
    // With PEERS_MIX: the graph of those `members` [n] (numbers below n_learners, ascending) that take part
    // in a round; its nodes are places in `members`.
    enum status (*graph)(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                         struct graph *ret, struct error *error);
    unsigned int (*steps)(const void *options); // with PEERS_MIX: exchanges a round
    // With PEERS_MIX: learners start from weights of their own seeds.
    bool (*own_start)(const void *options);
    // The row of W for learner `index` of `n`, in one exchange: how much of each learner's summary reaches
    // it, given everybody's weight (samples). Row sums are 1.
    void (*mixing_row)(const void *options, size_t n, size_t index, const double *weights, double *ret_row);
};

extern const struct registry topologies;
