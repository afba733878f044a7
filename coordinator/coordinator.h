// The coordinator: who attends, which experiments there are, and the lock that guards both.
//
// One lock guards all control state (members, jobs, rounds, events); it is held for microseconds. Parameters
// move outside of it: chunks are folded on queue threads, models are reduced, stored and evaluated in the
// pool.
#pragma once

#include "base/pool.h"
#include "cohort/v1/coordinator.pb.h"
#include "cohort/v1/exchange.pb.h"
#include "coordinator/cross_peers.h"
#include "coordinator/headcount.h"
#include "coordinator/options.h"
#include "rpc/rpc.h"
#include <pthread.h>
#include <stdbool.h>

// Models and summaries of up to so many bytes go on the control stream. nanopb counts the bytes of a field in
// 16 bits.
enum { PROTOCOL_VERSION = 1, SMALL_BYTES_MAX = 60 << 10 };
_Static_assert(SMALL_BYTES_MAX <= PB_SIZE_MAX, "a small model is one field");
#define EPOCH_RANDOM (UINT64_C(1) << 63)

struct coordinator;
struct job;
struct journal;

// A learner that attends or has attended.
struct member {
    char name[64];
    uint64_t incarnation;
    struct rpc_call *call;    // its control stream; NULL when lost
    struct headcount *peer;   // who speaks for it; NULL without a stream
    struct cross_peer *cross; // its process, where the two read each other's memory; or NULL
    struct cross_line *line;  // beside the stream, once it has spoken there: its own; or NULL
    struct job *job;          // that it takes part in, or NULL
    struct job *declined;     // the last one that it could not take part in: not asked again
    uint32_t slot;            // in that job
    struct job
        *claim; // whose slot `claimed_slot` was given to it last; its own as long as its name stands there
    uint32_t claimed_slot;
    int64_t last_seen_ms; // monotonic
    int64_t last_seen_unix_ms;
    cohort_v1_LearnerState state;
    cohort_v1_DataSignature data;
    bool has_data, removed;
    char version[32], address[256];
    uint64_t peak_rss_bytes;
    uint64_t n_assigned;  // assignments that it was sent
    uint64_t model_bytes; // of a model that may come with its assignment
    struct member *next;  // in order of joining
};

struct coordinator {
    const struct coordinator_options *options;
    struct pool *pool;
    struct journal *journal; // NULL: nothing outlives the process
    uint64_t epoch; // counts the starts on a state folder; without one, a random number above all counts
    pthread_mutex_t lock;   // guards all below, and everything in jobs but their ingests
    pthread_cond_t hashed;  // a job's hash was made
    pthread_cond_t changed; // the timer's wishes, or `ending`
    struct pool_turn turn;  // of the queue's thread that hears a summary
    struct member *members, **members_end;
    void *members_by_name; // tsearch tree
    size_t n_members;
    struct lease *leases; // streams that must make progress
    struct job *jobs, **jobs_end;
    size_t n_jobs;
    size_t n_watchers;
    struct headcounts headcounts;   // of members with a stream
    struct cross_peers cross_peers; // of these too
    unsigned long n_learners_refused, n_experiments_refused, n_watches_refused, n_streams_ended; // by limits
    uint64_t spooled_bytes;    // reserved for uploads in the state folder
    struct rpc_server *server; // whose slow readers are cut off; NULL: none
    pthread_t timer;
    bool timing, ending;
};

enum status coordinator_new(struct coordinator **ret, const struct coordinator_options *options,
                            struct error *error);
// Ends the jobs' work and the timer. The server must have been freed.
struct coordinator *coordinator_free(struct coordinator *coordinator);

// From now on /metrics tells what it refuses; NULL, before it is freed: no more.
void coordinator_set_server(struct coordinator *coordinator, struct rpc_server *server);

void coordinator_lock(struct coordinator *coordinator);
void coordinator_unlock(struct coordinator *coordinator);

// The rows of the services, self set.
struct rpc_service exchange_service(struct coordinator *coordinator);
struct rpc_service coordinator_service(struct coordinator *coordinator);
void exchange_attend(struct rpc_call *call, void *service);
void offer_summary(struct rpc_call *call, void *service, const void *message);

// ---- members; under the lock ----------------------------------------------------------------------------

struct member *member_find(const struct coordinator *coordinator, const char *name);
// Lets a learner in, or back in: fences off an older incarnation. The reason is set on refusal.
enum status member_join(struct coordinator *coordinator, const cohort_v1_Join *join, struct rpc_call *call,
                        struct member **ret, cohort_v1_Reason *ret_reason, struct error *error);
void member_seen(struct member *member);
// Its stream is gone; it may come back. `left`: it said good-bye.
void member_lost(struct coordinator *coordinator, struct member *member, bool left, const char *message);
enum status member_remove(struct coordinator *coordinator, const char *name, const char *message,
                          struct error *error);
void member_send(struct member *member, const cohort_v1_AttendResponse *message);
void member_send_shared(struct member *member,
                        const struct rpc_encoded *message); // the same of an AttendResponse
void member_dismiss(struct member *member, const char *experiment_id, cohort_v1_Reason reason,
                    const char *message);

// The live job in which a slot bears the member's name, or NULL.
struct job *member_claim(const struct member *member);
// Gives a member that came back the slot that is kept for it, if any.
void coordinator_return(struct member *member);
// Gives a member that has just joined its work, if there is any.
void coordinator_place(struct coordinator *coordinator, struct member *member);
// Gives idle members to experiments that want learners.
void coordinator_enrol(struct coordinator *coordinator);
// A tick of some job is wanted earlier than the timer knows.
void coordinator_wake_timer(struct coordinator *coordinator);
