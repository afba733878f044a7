// Streams that must make progress: a peer that stops reading or sending holds memory and may hold up a round,
// so its call is cancelled. What counts as progress is a whole chunk, which a slow link takes a while for:
// hence the patience of several leases.
#pragma once

#include "rpc/rpc.h"
#include <stdatomic.h>
#include <stdint.h>

enum { LEASE_PATIENCE = 4 };

// Embedded in what a call's handler keeps.
struct lease {
    struct rpc_call *call;
    _Atomic int64_t seen_ms;
    struct lease *next, **link; // of the owner's list
};

// Under the list's owner's lock. `call` stays valid until the end, which may come more than once.
void lease_begin(struct lease **list, struct lease *lease, struct rpc_call *call);
void lease_end(struct lease *lease);
// A chunk has moved. From any thread.
void lease_renew(struct lease *lease);
// Cancels the calls of those that have been silent for LEASE_PATIENCE times `lease_ms`; under the lock.
void lease_check_all(struct lease *list, int64_t lease_ms, int64_t now_ms);
