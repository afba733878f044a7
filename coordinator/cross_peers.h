// Learners' processes whose memory this one reads and lets read its own (rpc/cross_memory.h), found by their
// tokens, which nobody else knows.
#pragma once

#include "cohort/v1/exchange.pb.h"
#include "rpc/cross_line.h"
#include "rpc/cross_memory.h"

struct cross_peer; // one process, as long as a learner of it attends

// All of them. Under the owner's lock.
struct cross_peers {
    struct cross_token own; // of this process, told to those that are met; all zero: none are
    struct cross_peer *first;
    struct cross_lines *lines; // NULL until there is one
    size_t n_lines;            // that have not been freed: the owner counts down
};

// From now on processes are met.
enum status cross_peers_open(struct cross_peers *all, struct error *error);
// The process that a learner says it is in, counted once more; NULL when its memory cannot be read.
struct cross_peer *cross_peer_join(struct cross_peers *all, const cohort_v1_CrossMemory *said);
struct cross_peer *cross_peer_leave(struct cross_peers *all, struct cross_peer *peer); // takes NULL too; NULL
struct cross_memory *cross_peer_memory(const struct cross_peer *peer); // a reference; NULL for NULL
// A line to the process, under a token that it is to be told; NULL: it has none, or there are many already.
struct cross_line *cross_peer_line(struct cross_peers *all, const struct cross_peer *peer,
                                   void (*message)(void *user, const uint8_t *bytes, size_t n), void *user,
                                   struct cross_token *ret_token);
void cross_peers_release(struct cross_peers *all);                                // its lines have been freed
void cross_peers_tell(const struct cross_peers *all, cohort_v1_CrossMemory *ret); // of this process
// Notes that the process is being given this model; false when it has been given it before.
bool cross_peer_give(struct cross_peer *peer, const char *experiment_id, uint32_t round,
                     const char *model_id);
// The process with this token of n bytes; NULL when there is none.
struct cross_peer *cross_peers_find(const struct cross_peers *all, const uint8_t *token, size_t n);
// Reads a place, which its owner leaves as it is meanwhile, and hands the bytes on as cross_memory_pass does.
// `memory` NULL: FAILED_PRECONDITION. Without the lock.
enum status cross_place_take(struct cross_memory *memory, const cohort_v1_Place *place,
                             bool (*take)(void *user, uint64_t offset, const uint8_t *bytes, size_t n),
                             void *user, struct error *error);
