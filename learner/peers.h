// One exchange between learners, without the coordinator: what a learner trained goes to its neighbours and
// what comes from them is summed up, chunk by chunk as it arrives.
//
// clang-format off
//
//                 all sent, all received
//   peers_start ───────▶ RUNNING ────────────────────────────────▶ ended(ok)
//                           │ a peer fails, stalls or lies             ▲ not ok, when
//                           ▼                                          │ nothing moves any more
//                         FAILED, told once by failed() ──peers_cancel─┘
//
// clang-format on
// A failed exchange keeps its streams until it is cancelled, so that the peers do not take each other for the
// cause: the first failure that the coordinator hears of is the true one.
//
// Memory: the summary, the result, and in a mix four chunks of sums (with several steps one more vector).
#pragma once

#include "rpc/cross_memory.h"
#include "rpc/rpc.h"
#include "topology/topology.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peers;
struct peers_door;
struct pool;

struct peers_neighbour {
    char learner[64];
    uint64_t incarnation;
    struct rpc_channel *channel; // to its service; valid until the end
    double share;                // mix: W_ij
};

struct peers_options {
    enum peer_pattern pattern;
    unsigned int steps; // mix: of one round, all in one stream
    char experiment_id[64];
    uint32_t round, attempt;
    char learner[64]; // this one
    uint64_t incarnation;
    uint32_t place, n_learners; // ring: from 0, of so many
    double share;               // ring: own weight / total weight; mix: W_ii
    // Ring: the left one, which is received from, and the right one, which is sent to; none of one learner.
    const struct peers_neighbour *neighbours;
    size_t n_neighbours;
    size_t n_values;
    const float *values; // [n_values] the summary; stays as it is until the end
    float *result;       // [n_values] the weighted sum
    float *spare;        // [n_values] with a mix of several steps
    struct pool *pool;   // that calls back
    struct peers_door *door;
    // Of this process, whose memory neighbours on this machine may read; NULL: everything is sent.
    const struct cross_door *cross_door;
    // Ring of several, may be NULL: `n` values of the result from `first` on are final. Values settle one
    // after the other from a segment on, and then from the vector's first one; of place n_learners - 1, from
    // the first one.
    void (*settled)(void *user, size_t first, size_t n);
    // At most once, before `ended`: who it failed with ("": nobody else) and why.
    void (*failed)(void *user, const char *suspect, const char *message);
    // Exactly once; frees the exchange.
    void (*ended)(void *user, bool ok);
    void *user;
};

enum status peers_new(struct peers **ret, const struct peers_options *options, struct error *error);
void peers_start(struct peers *peers); // callbacks may come before it returns
void peers_cancel(struct peers *peers);
struct peers *peers_free(struct peers *peers); // never started, or ended
// Fails it when for `patience_ms` nothing has moved.
void peers_check(struct peers *peers, int64_t now_ms, int64_t patience_ms);

uint64_t peers_bytes(const struct peers *peers); // sent; once ended
// ||neighbour's summary - own|| / ||own||, root mean square over the neighbours (ring: with the mean in their
// place); once ended.
double peers_distance(const struct peers *peers);

// ---- where neighbours' streams come in ------------------------------------------------------------------

// Gives each stream to the exchange it is meant for; one that comes early waits, at most 256 of them.
// `reads`: out of the memory of neighbours' processes, where they are on this machine and let it.
enum status peers_door_new(struct peers_door **ret, bool reads, struct error *error);
struct peers_door *peers_door_free(struct peers_door *door); // the server and all exchanges are gone
// Learner.ExchangeSummary's handler.
void peers_door_open_call(struct peers_door *door, struct rpc_call *call);
// Sends away those who have waited longer.
void peers_door_check(struct peers_door *door, int64_t now_ms, int64_t patience_ms);
