// Streams that must make progress: a peer that stops reading or sending holds memory and may hold up a round,
// so its call is cancelled. What counts as progress is a whole chunk, which a slow link takes a while for:
// hence the patience of several leases.
#pragma once

#include "rpc/rpc.h"
#include <stdatomic.h>
#include <stdint.h>

enum { LEASE_PATIENCE = 4 };

struct coordinator;

// Embedded in what a call's handler keeps.
struct lease {
    struct rpc_call *call;
    _Atomic int64_t seen_ms;
    struct lease *next, **link; // of the coordinator's list
};

// Under the coordinator's lock. `call` stays valid until the end, which may come more than once.
void lease_begin(struct coordinator *coordinator, struct lease *lease, struct rpc_call *call);
void lease_end(struct lease *lease);
// A chunk has moved. From any thread.
void lease_renew(struct lease *lease);
// Cancels the calls of those that are overdue; under the lock.
void lease_check_all(struct coordinator *coordinator, int64_t now_ms);
