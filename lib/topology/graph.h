// Undirected graphs of learners: which neighbours gossip is exchanged with.
#pragma once

#include "base/registry.h"
#include "config/fields.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph_edge {
    uint32_t a, b;
};

// Node i's neighbours, ascending: neighbours[starts[i]] up to neighbours[starts[i + 1]].
struct graph {
    size_t n;
    size_t *starts;       // [n + 1]
    uint32_t *neighbours; // [starts[n]]
};

#define GRAPH_INIT ((struct graph){0})

struct graph_edges; // under construction

struct graph_kind {
    struct kind kind;
    // Refuses a number of learners; NULL: any goes.
    enum status (*check_learners)(const void *options, size_t n, struct error *error);
    // Adds the edges among `members` [n] (numbers below n_learners, ascending), as places in `members`.
    enum status (*add_edges)(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                             struct graph_edges *edges, struct error *error);
};

extern const struct registry graphs;

// Collects edges; loops and repetitions are dropped. False when out of memory.
bool graph_add(struct graph_edges *edges, size_t a, size_t b);

// The graph that `choice` (kind NULL: a ring) makes of `members` [n].
enum status graph_new(struct graph *ret, const struct choice *choice, size_t n_learners,
                      const uint32_t *members, size_t n, struct error *error);
void graph_release(struct graph *graph);

size_t graph_degree(const struct graph *graph, size_t i);
bool graph_joined(const struct graph *graph, size_t i, size_t j);
bool graph_connected(const struct graph *graph);

// W_ij for neighbours i and j: 1 / (1 + max(degree i, degree j)), and for i = j what is left to 1 (Xiao and
// Boyd, "Fast linear iterations for distributed averaging", Systems & Control Letters 53, 2004, section 4,
// Metropolis-Hastings weights). W is symmetric and its rows sum to 1, so the learners' mean stays what it is.
double graph_weight(const struct graph *graph, size_t i, size_t j);
