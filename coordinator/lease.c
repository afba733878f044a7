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

void lease_renew(struct lease *lease)
{
    atomic_store_explicit(&lease->seen_ms, clock_monotonic_ms(), memory_order_relaxed);
}

void lease_check_all(struct lease *list, int64_t lease_ms, int64_t now_ms)
{
    int64_t longest_ms = LEASE_PATIENCE * lease_ms;
    for (struct lease *lease = list; lease; lease = lease->next)
        if (now_ms - atomic_load_explicit(&lease->seen_ms, memory_order_relaxed) > longest_ms)
            rpc_call_cancel(lease->call); // its `closed` event ends the lease
}
