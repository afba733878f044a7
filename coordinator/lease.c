#include "coordinator/lease.h"
#include "base/clock.h"

void lease_begin(struct lease **list, struct lease *lease, struct rpc_call *call)
{
    lease->call = call;
    lease_renew(lease);
    lease->next = *list;
    lease->link = list;
    if (lease->next)
        lease->next->link = &lease->next;
    *list = lease;
}

void lease_end(struct lease *lease)
{
    if (!lease->link)
        return;
    *lease->link = lease->next;
    if (lease->next)
        lease->next->link = lease->link;
    lease->link = NULL;
}

void lease_transfers(struct lease *lease, void (*moved)(struct lease *lease))
{
    lease->moved = moved;
    atomic_store_explicit(&lease->transfers, true, memory_order_release);
}

void lease_renew(struct lease *lease)
{
    atomic_store_explicit(&lease->seen_ms, clock_monotonic_ms(), memory_order_relaxed);
}

// Looks at the bytes of a connection on whose stream the last chunk has passed at `seen_ms`.
static void look(struct lease *lease, int64_t seen_ms, int64_t now_ms)
{
    uint64_t bytes;
    if (!atomic_load_explicit(&lease->transfers, memory_order_acquire) ||
        !rpc_call_moved_bytes(lease->call, &bytes))
        return;
    if (lease->chunk_ms != seen_ms) { // the first time since that chunk
        lease->chunk_ms = lease->moved_ms = seen_ms;
        lease->chunk_bytes = lease->moved_bytes = bytes;
    }
    if (bytes - lease->moved_bytes < LEASE_LEAST_BYTES || bytes - lease->chunk_bytes > LEASE_MOST_BYTES)
        return;
    lease->moved_bytes = bytes;
    lease->moved_ms = now_ms;
    if (lease->moved)
        lease->moved(lease);
}

static void check(struct lease *lease, int64_t lease_ms, int64_t now_ms)
{
    int64_t seen_ms = atomic_load_explicit(&lease->seen_ms, memory_order_relaxed);
    look(lease, seen_ms, now_ms);
    int64_t last_ms = lease->chunk_ms == seen_ms ? lease->moved_ms : seen_ms;
    if (now_ms - last_ms > LEASE_PATIENCE * lease_ms)
        rpc_call_cancel(lease->call); // its `closed` event ends the lease
}

void lease_check_all(struct lease *list, int64_t lease_ms, int64_t now_ms)
{
    for (struct lease *lease = list; lease; lease = lease->next)
        check(lease, lease_ms, now_ms);
}

int64_t lease_look_ms(int64_t lease_ms)
{
    int64_t some = lease_ms / 4 + 1;
    return some < LEASE_LOOK_MS_MAX ? some : LEASE_LOOK_MS_MAX;
}
