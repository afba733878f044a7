// A server of Exchange for tests: it answers with what it is sent, and counts.
//
//     OfferSummary   answers `offset` = the header's bytes; learner "slow": never; "fail": NOT_FOUND
//     Attend         Join -> Welcome with epoch = incarnation; Leave "finish": ends the stream with ABORTED;
//                    Leave "cancel": cancels; Leave "flood": sends Enrols until it is refused
//     SubmitSummary  sums the chunks' bytes; the answer's message is "BYTES SUM"
//     FetchModel     `model_round` chunks of 1 MiB from `offset` on, byte i being i * 7
#pragma once

#include "cohort/v1/exchange.pb.h"
#include "rpc/rpc.h"
#include <pthread.h>
#include <stdatomic.h>

#define PATH_OFFER  "/cohort.v1.Exchange/OfferSummary"
#define PATH_ATTEND "/cohort.v1.Exchange/Attend"
#define PATH_SUBMIT "/cohort.v1.Exchange/SubmitSummary"
#define PATH_FETCH  "/cohort.v1.Exchange/FetchModel"

struct echo {
    struct rpc_runtime *runtime;
    struct rpc_server *server;
    struct rpc_channel *channel;
    char address[128];
    atomic_size_t n_open, n_closed, n_cancelled, n_released;
    atomic_int flood_status;
    atomic_size_t n_flooded;
};

// Starts runtime, server and channel; exits the process on failure. `address` NULL: any TCP port.
void echo_start(struct echo *echo, const char *address, size_t n_threads);
void echo_serve(struct echo *echo, const char *address); // the server alone, runtime is there
void echo_stop(struct echo *echo);                       // whatever of the three is there

// A client's view of a call: what has happened so far.
struct watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rpc_call *call;
    size_t n_messages, n_ended, n_writable, n_closed;
    uint64_t epoch; // of the last Welcome
    enum status status;
    char message[1024];
    bool silent; // does not ask for the next message
    // Chunks: received so far, and whether each byte was what it should be.
    uint64_t n_bytes;
    uint64_t sum;
    bool wrong;
};

extern const struct rpc_events watch_attend; // Attend's answers
extern const struct rpc_events watch_fetch;  // FetchModel's chunks
extern const struct rpc_events watch_submit; // SubmitSummary's answer, its message into `message`
void watch_init(struct watch *watch);
// Waits for `counter` (a member of this watch) to reach `n`; false after 20 s.
bool watch_wait(struct watch *watch, const size_t *counter, size_t n);
bool wait_for_count(atomic_size_t *counter, size_t n);

void send_join(struct rpc_call *call, uint64_t incarnation);
enum status send_leave(struct rpc_call *call, const char *message);
enum status offer(struct rpc_channel *channel, const char *learner, uint64_t bytes, int64_t timeout_ms,
                  uint64_t *ret_offset, struct error *error);
