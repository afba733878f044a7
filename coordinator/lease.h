// Streams that must make progress: a peer that stops reading or sending holds memory and may hold up a round,
// so its call is cancelled. Progress is a chunk that has passed; and while one is on its way, which may take
// long on a slow link, any few bytes on its connection, though not without end.
#pragma once

#include "rpc/rpc.h"
#include <stdatomic.h>
#include <stdint.h>

enum {
    LEASE_PATIENCE = 4,
    LEASE_LOOK_MS_MAX = 5000,
    // Bytes that are progress: more than a learner's heartbeats and pings are meanwhile.
    LEASE_LEAST_BYTES = 4 << 10,
    // All that a connection may move without a chunk of this stream: others may share it.
    LEASE_MOST_BYTES = 64 << 20,
};

// Embedded in what a call's handler keeps.
struct lease {
    struct rpc_call *call;
    _Atomic int64_t seen_ms;
    struct lease *next, **link; // of the owner's list

    atomic_bool transfers;              // chunks are expected
    void (*moved)(struct lease *lease); // may be NULL: called under the lock when but bytes have moved
    // Of the connection: bytes at the last chunk, and when there was progress since; under the lock.
    int64_t chunk_ms, moved_ms;
    uint64_t chunk_bytes, moved_bytes;
};

// Under the list's owner's lock. `call` stays valid until the end, which may come more than once.
void lease_begin(struct lease **list, struct lease *lease, struct rpc_call *call);
void lease_end(struct lease *lease);
// Chunks are on their way from now on.
void lease_transfers(struct lease *lease, void (*moved)(struct lease *lease));
// A chunk has moved. From any thread.
void lease_renew(struct lease *lease);
// Cancels the calls of those without progress for LEASE_PATIENCE times `lease_ms`; under the lock, every
// lease_look_ms.
void lease_check_all(struct lease *list, int64_t lease_ms, int64_t now_ms);
// A few times a lease, and before a connection on which but a chunk comes is taken for dead by its keepalive.
int64_t lease_look_ms(int64_t lease_ms);
