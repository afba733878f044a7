// How many learners attend in whose name: so that one peer cannot take all the places.
#pragma once

#include "base/error.h"
#include "rpc/rpc.h"

struct headcount; // of one peer

// Of all peers; zero at first. Under the owner's lock.
struct headcounts {
    void *by_name; // tsearch tree
    unsigned long refused;
};

// Whether one more of this peer is too much, RESOURCE_EXHAUSTED. `known` (may be NULL) is where the learner
// that comes is counted already.
enum status headcount_check(struct headcounts *all, const struct rpc_peer *peer,
                            const struct headcount *known, int64_t most, struct error *error);
// Counts one; NULL when out of memory.
struct headcount *headcount_add(struct headcounts *all, const struct rpc_peer *peer);
struct headcount *headcount_drop(struct headcounts *all, struct headcount *count); // takes NULL too; NULL
void headcount_release(struct headcounts *all);
