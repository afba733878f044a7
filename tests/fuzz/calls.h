// Calls without a connection and a pool without threads. Linked into a target they stand in for lib/rpc's
// calls and base/pool, so that the target says what arrives and when, and every input runs the same each
// time.
#pragma once

#include "base/error.h"
#include "rpc/rpc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call {
    const struct rpc_events *events;
    void *user;
    unsigned int refs;
    const char *certificate; // the learner that it speaks for; NULL: nobody is asked
    bool wants;              // a message, or the end
    bool ended;              // this side will say no more
    bool queued;             // something waits to be handed to the transport
    bool cancelled, closed;
    enum status status; // of an incoming call that has ended
    void (*release)(void *user);
    void *release_user; // of the queued chunk
};

// Told of every chunk that is sent.
extern void (*calls_sent)(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes);

struct rpc_call *calls_arrive(const char *certificate);
// The call must want it. The bytes come in slices of `cut` bytes, as in fuzz_message.
void calls_deliver(struct rpc_call *call, const uint8_t *data, size_t n, size_t cut);
void calls_half_close(struct rpc_call *call);
// What is queued, if anything, is with the transport.
void calls_hand_over(struct rpc_call *call);
// The last event; the call is gone, but for who holds it.
void calls_close(struct rpc_call *call, enum status status, const char *message);

// Runs what was posted to the pool, in turn.
void calls_run_jobs(void);
