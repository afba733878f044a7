// A learner's rounds between peers: the model that it keeps, the exchange under way, and how it catches up.
// Everything under the host's lock unless said otherwise.
//
// A round starts from `kept`; what is trained of it is the learner's summary, which stays until the round is
// committed, so that an exchange can be tried again. What comes of the exchange is `pending` until an
// assignment tells that it is committed; then it is `kept`. With an algorithm whose mean is the next model
// and that trains in place, one buffer serves for both (the model of before is gone once an exchange
// begins), and where nothing is trained `kept` itself is the summary.
#pragma once

#include "cohort/v1/exchange.pb.h"
#include "learner/peers.h"

struct catch_up;
struct learner;
struct peers_hash;

enum { PEER_SOURCES_MAX = 3 };

struct peer_round {
    float *kept;   // [plan_kept_values] what the coordinator keeps in a star
    float *result; // [plan_summary_values]
    float *next;   // [plan_kept_values]
    float *spare;  // [plan_summary_values], with a mix of several steps
    bool has_room; // the buffers are there
    bool has_kept, has_pending;
    uint32_t kept_of, pending_of;             // rounds
    char kept_digest[17], pending_digest[17]; // ring
    unsigned long stamp;                      // counts changes of any buffer

    cohort_v1_Peer sources[PEER_SOURCES_MAX]; // of the present assignment's model
    size_t n_sources;
    struct catch_up *catch_up; // from one of them

    // The newest exchange that was asked for.
    bool wanted; // and has not begun
    cohort_v1_ExchangePeers exchange;
    struct peers *peers; // under way, until it has ended
    uint32_t exchanging_of;
    bool hashes;             // this learner tells the model's SHA-256
    struct peers_hash *hash; // of a ring's model, where it is the mean itself
    bool ended_well;
    struct peer_channel **channels;
    size_t n_channels;
};

bool learner_between_peers(const struct learner *learner);
// What an assignment says of the model's whereabouts; makes it safe to keep the assignment.
void peer_round_note(struct learner *learner, cohort_v1_Assignment *assignment);
// The assigned round's model is sought: learner_train follows, now or when it has come, or another try.
void peer_round_begin(struct learner *learner);
void peer_round_caught_up(struct learner *learner);
// In the pool, without the lock: puts the round's model into the learner's buffers.
enum status peer_round_fill(struct learner *learner, struct error *error);
void peer_round_exchange(struct learner *learner, const cohort_v1_ExchangePeers *exchange);
void peer_round_start_exchange(struct learner *learner); // the wanted one; idle
void peer_round_cancel_exchange(struct learner *learner);
// The model after `round` (UINT32_MAX: the newest), or NULL: [plan_kept_values], valid under the lock.
const float *peer_round_model(const struct learner *learner, uint32_t round);
void peer_round_release(struct learner *learner); // idle

// `next` follows from `kept` and `result`. In the pool, without the lock.
void peer_round_reupdate(struct learner *learner);

// ---- whole models between learners (peers_model.c) ------------------------------------------------------

// Fetches the assigned round's model into `kept` from one who has it; peer_round_caught_up follows, or a
// pause and another try.
void peer_model_catch_up(struct learner *learner);
void peer_model_cancel(struct learner *learner);
// Learner.GetModel's handler; `host` is the service.
void peer_model_open_call(struct rpc_call *call, void *host);
