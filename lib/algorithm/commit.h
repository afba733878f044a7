// The end of a round: reduced summaries and the present values become the next values.
#pragma once

#include "algorithm/algorithm.h"
#include "reduce/reducer.h"
#include <pthread.h>

struct commit {
    const struct algorithm_kind *kind;
    struct reupdate_step step; // `scalars` is filled by commit_open
    struct reduction *reduction;
    const float *current; // [plan_kept_values]
    float *next;          // [plan_kept_values]; may be `current` itself
    // Its own.
    float scalars[ALGORITHM_SCALARS_MAX];
    pthread_mutex_t lock; // guards what follows
    struct error error;   // the first one of a range
};

// Settles the reduction, in which nothing is folded any more. After it, either commit_range over
// [0, n_values) in pieces from any threads, or commit_whole; then commit_close. `pool` may be NULL.
enum status commit_open(struct commit *commit, struct pool *pool, struct error *error);
// Whether the algorithm needs all values at once: then commit_whole, else commit_range.
bool commit_is_whole(const struct commit *commit);
// The next values [first, first + n) of every vector, by tiles that stay in the cache. `user` is the struct
// commit: for pool_for. A failure is told by commit_close.
void commit_range(void *user, size_t first, size_t n);
// All of them. Needs room for a summary.
void commit_whole(struct commit *commit);
// Whether all ranges were made.
enum status commit_close(struct commit *commit, struct error *error);
