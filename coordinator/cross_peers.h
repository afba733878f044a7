// Learners' processes whose memory this one reads and lets read its own (rpc/cross_memory.h), found by their tokens,
// which nobody else knows.
#pragma once

#include "cohort/v1/exchange.pb.h"
#include "rpc/cross_memory.h"

struct cross_peer; // one process, as long as a learner of it attends

// All of them. Under the owner's lock.
struct cross_peers {
    struct cross_token own; // of this process, told to those that are met; all zero: none are
    struct cross_peer *first;
};

// From now on processes are met.
enum status cross_peers_open(struct cross_peers *all, struct error *error);
// The process that a learner says it is in, counted once more; NULL when its memory cannot be read.
struct cross_peer *cross_peer_join(struct cross_peers *all, const cohort_v1_CrossMemory *said);
struct cross_peer *cross_peer_leave(struct cross_peers *all, struct cross_peer *peer); // takes NULL too; NULL
void cross_peers_tell(const struct cross_peers *all, cohort_v1_CrossMemory *ret);      // of this process
// The memory of the process with this token of n bytes, a reference; NULL when there is none.
struct cross_memory *cross_peers_find(const struct cross_peers *all, const uint8_t *token, size_t n);
