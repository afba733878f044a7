// The inside of an exchange between peers: its life and its streams (peers.c, peers_door.c), and the order in
// which chunks travel (peers_ring.c, peers_mix.c).
#pragma once

#include "base/pool.h"
#include "cohort/v1/learner.pb.h"
#include "learner/peers.h"
#include <pthread.h>
#include <stdatomic.h>

#define PEERS_PATH "/cohort.v1.Learner/ExchangeSummary"

enum { PEERS_WINDOW = 4 }; // chunks that a mix sums up at a time
enum { PEERS_CUT = 16 };   // chunks begin at multiples of so many values, or of one in a short vector
#define PEERS_ROOM(peers) ((peers)->options.n_values / (peers)->n_chunks + PEERS_CUT) // of the largest

enum peers_state { PEERS_RUNNING, PEERS_FAILED, PEERS_ENDING };

// A stream that comes in.
struct peers_pull {
    struct peers_door *door;
    struct peers_pull *next; // among the waiting, under the door's lock
    struct rpc_call *call;
    char to[64];
    bool has_header, waiting;
    cohort_v1_SummaryHeader header;
    int64_t since_ms;
    struct peers *peers; // once it is let in; the rest under its lock
    size_t neighbour;
    struct cross_memory *memory; // the sender's, where chunks may lie; NULL: they are sent
    uint64_t received;           // bytes
    size_t position;             // chunks
    size_t in_chunk;             // values of the present one
    bool paused;
    const char *fault;       // why the present message is refused
    double distance, square; // sums of squares: of differences, and of the learner's own values beside them
};

// A stream that goes out.
struct peers_push {
    struct peers *peers;
    size_t neighbour;
    struct rpc_call *call;
    uint64_t offset;
    size_t position;
    bool idle;     // the transport would take more than there is
    bool asks;     // whether its memory is read: nothing is sent before the answer
    bool in_place; // it is: chunks are told of
    bool ended, over;
};

// The order of chunks. Position p of a stream may be sent once `done` exceeds p - n_chunks: the first
// n_chunks are the learner's own, each later one follows from what has been done.
struct peers_order {
    // Values at a position of what comes in, and of what goes out.
    size_t (*chunk)(const struct peers *peers, size_t position);
    size_t (*sent)(const struct peers *peers, size_t position);
    // What goes out there; NULL: it is not finite, or too large.
    const float *(*out)(struct peers *peers, size_t position);
    // Takes `n` values in, `first` in the chunk at `position`; unaligned. NULL, or what is wrong with them.
    const char *(*in)(struct peers *peers, struct peers_pull *pull, size_t first, const uint8_t *run,
                      size_t n);
    // The chunk at pull->position is complete: moves `done` on. NULL, or what is wrong with this learner's
    // own.
    const char *(*completed)(struct peers *peers, struct peers_pull *pull);
};

struct peers {
    struct peers_options options;
    struct peers_neighbour *neighbours; // a copy
    struct peers *next;                 // in the door's list, under its lock
    const struct peers_order *order;
    size_t n_chunks;              // ring: of a segment; mix: of the vector
    size_t n_positions;           // of every stream
    uint64_t bytes_in, bytes_out; // of a stream

    pthread_mutex_t lock; // guards the rest
    enum peers_state state;
    size_t done;
    struct peers_push *pushes; // [n_out]
    size_t n_out, n_in, n_over;
    struct peers_pull **pulls; // [n_in], NULL before it has come and once it is over
    bool *came;                // [n_in]
    int64_t moved_ms;
    uint64_t bytes;
    double distance, square;
    // Of a mix: sums of the chunks from `done` on, and how many neighbours' are in each.
    int64_t *sums; // [PEERS_WINDOW, PEERS_ROOM]
    size_t n_summed[PEERS_WINDOW];
    char suspect[64], message[384];
    bool ok;

    atomic_uint n_holds; // the owner's, a stream's each, a chunk's in the transport's hands each
    struct pool_job fail_job, end_job;
};

extern const struct peers_order peers_ring, peers_mix;

// Chunks of a vector (ring: a segment) of `n_values`: small ones are cut small, so that they
// overlap; at most `most` values each.
size_t peers_n_chunks(size_t n_values, size_t most);
// Values of chunk `chunk` of `n_chunks`, from `*ret_first` on.
size_t peers_cut(size_t n_values, size_t n_chunks, size_t chunk, size_t *ret_first);
// The sum of (a[i] - b[i])^2; adds that of b[i]^2 to `ret_square`.
double peers_square_distance(const float *a, const float *b, size_t n, double *ret_square);

// Lets a stream in, under the door's lock: INVALID_ARGUMENT when it is not what this exchange expects of the
// neighbour that it says it is, PERMISSION_DENIED when it is of none.
enum status peers_admit(struct peers *peers, struct peers_pull *pull, struct error *error);
void peers_pull_message(struct peers_pull *pull, struct rpc_message *message);
void peers_pull_ended(struct peers_pull *pull);
void peers_pull_closed(struct peers_pull *pull, enum status status);

// Ready to meet neighbours' streams, and not any more.
void peers_door_add(struct peers_door *door, struct peers *peers);
void peers_door_remove(struct peers_door *door, struct peers *peers);
