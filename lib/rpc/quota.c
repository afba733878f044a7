#include "rpc/quota.h"
#include "base/clock.h"
#include "base/memory.h"
#include <arpa/inet.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { SHARES = 4096, SECOND_NS = 1000000000, NETWORK_BYTES = 8 };

struct quota {
    size_t max_calls, max_unread_bytes; // of a host; 0: any number
    int64_t calls_a_second, exchanges_a_second;
    uint64_t seed; // of the hash: who shares a place with whom is not a caller's to choose
    atomic_ulong refused[RPC_QUOTAS];
    struct share shares[SHARES];
};

enum status quota_new(struct quota **ret, const struct rpc_server_options *options, struct error *error)
{
    *ret = NULL;
    if (!options->max_calls_a_host && !options->max_unread_a_host && !options->calls_a_second &&
        !options->exchanges_a_second)
        return STATUS_OK;
    struct quota *quota = memory_zalloc(sizeof *quota);
    if (!quota)
        return error_no_memory(error, sizeof *quota);
    quota->max_calls = (size_t)options->max_calls_a_host;
    quota->max_unread_bytes = (size_t)options->max_unread_a_host;
    quota->calls_a_second = options->calls_a_second;
    quota->exchanges_a_second = options->exchanges_a_second;
    if (getrandom(&quota->seed, sizeof quota->seed, 0) != sizeof quota->seed)
        quota->seed = (uint64_t)clock_monotonic_ns();
    *ret = quota;
    return STATUS_OK;
}

struct quota *quota_free(struct quota *quota)
{
    return memory_free(quota);
}

// ---- who ------------------------------------------------------------------------------------------------

// A host with one address of IPv6 has those of its network too, so the network counts.
static void name_host(const char *address, struct rpc_peer *ret)
{
    struct in6_addr host;
    uint16_t port;
    char text[INET6_ADDRSTRLEN] = "";
    bool known = address_of_peer(address, &host, &port), four = known && IN6_IS_ADDR_V4MAPPED(&host);
    ret->own = !known || (four ? host.s6_addr[12] == IN_LOOPBACKNET : IN6_IS_ADDR_LOOPBACK(&host));
    if (ret->own) { // or a socket file
        snprintf(ret->name, sizeof ret->name, "this machine");
    } else if (four) {
        inet_ntop(AF_INET, &host.s6_addr[12], ret->name, sizeof ret->name);
    } else {
        memset(&host.s6_addr[NETWORK_BYTES], 0, sizeof host.s6_addr - NETWORK_BYTES);
        inet_ntop(AF_INET6, &host, text, sizeof text);
        snprintf(ret->name, sizeof ret->name, "%s/64", text);
    }
}

void quota_peer(const struct identity *who, const char *address, struct rpc_peer *ret)
{
    *ret = (struct rpc_peer){.own = false};
    if (who && who->role)
        snprintf(ret->name, sizeof ret->name, "%s %s", role_name(who->role), who->name);
    else
        name_host(address ? address : "", ret);
}

static struct share *share_of(struct quota *quota, const struct rpc_peer *peer)
{
    uint64_t hash = 14695981039346656037ULL ^ quota->seed; // FNV-1a
    for (const char *at = peer->name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211ULL;
    return &quota->shares[(hash ^ hash >> 32) % SHARES];
}

static void peer_of(grpc_call *grpc, const struct identity *who, struct rpc_peer *ret)
{
    char *address = grpc_call_get_peer(grpc);
    quota_peer(who, address, ret);
    gpr_free(address);
}

struct share *quota_share(struct quota *quota, grpc_call *grpc)
{
    struct rpc_peer peer;
    if (!quota)
        return NULL;
    peer_of(grpc, NULL, &peer);
    return share_of(quota, &peer);
}

// ---- how much -------------------------------------------------------------------------------------------

// Takes one of `rate` a second, of which a second's worth may come at once. `until` is when the bucket will
// be full again.
static bool take(_Atomic int64_t *until_ns, int64_t rate, int64_t now_ns)
{
    int64_t until = atomic_load_explicit(until_ns, memory_order_relaxed);
    for (;;) {
        int64_t next = (until > now_ns ? until : now_ns) + SECOND_NS / rate;
        if (next - now_ns > SECOND_NS)
            return false;
        if (atomic_compare_exchange_weak_explicit(until_ns, &until, next, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}

static enum status refuse(struct quota *quota, enum rpc_quota which)
{
    atomic_fetch_add_explicit(&quota->refused[which], 1, memory_order_relaxed);
    return STATUS_RESOURCE_EXHAUSTED;
}

static bool begins(const char *path, const char *prefix)
{
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

static enum status check_rate(struct quota *quota, grpc_call *grpc, const struct identity *who,
                              const char *path, struct error *error)
{
    bool exchange = begins(path, "/cohort.v1.Exchange/");
    int64_t rate = exchange ? quota->exchanges_a_second : quota->calls_a_second;
    struct rpc_peer peer;
    if (!rate)
        return STATUS_OK;
    peer_of(grpc, who, &peer);
    struct share *share = share_of(quota, &peer);
    if (take(exchange ? &share->exchanges_until_ns : &share->calls_until_ns, rate, clock_monotonic_ns()))
        return STATUS_OK;
    error_set(error, STATUS_RESOURCE_EXHAUSTED,
              "more than '%lld' calls in a second by '%s'; call less often, or raise limits.%s",
              (long long)rate, peer.name, exchange ? "exchanges_a_second" : "calls_a_second");
    return refuse(quota, exchange ? RPC_QUOTA_EXCHANGES_A_SECOND : RPC_QUOTA_CALLS_A_SECOND);
}

enum status quota_admit(struct quota *quota, struct share *share, grpc_call *grpc, const struct identity *who,
                        const char *path, struct error *error)
{
    if (!quota || begins(path, "/grpc.health.v1."))
        return STATUS_OK;
    if (quota->max_calls && atomic_load(&share->n_calls) > quota->max_calls) {
        error_set(error, STATUS_RESOURCE_EXHAUSTED,
                  "this host has '%zu' calls under way already; end some, or raise limits.calls_a_host",
                  quota->max_calls);
        return refuse(quota, RPC_QUOTA_CALLS_A_HOST);
    }
    if (quota->max_unread_bytes && atomic_load(&share->unread_bytes) > quota->max_unread_bytes) {
        error_set(error, STATUS_RESOURCE_EXHAUSTED,
                  "more than '%zu' bytes wait to be read by this host; read them, or raise "
                  "limits.unread_a_host",
                  quota->max_unread_bytes);
        return refuse(quota, RPC_QUOTA_UNREAD_A_HOST);
    }
    return check_rate(quota, grpc, who, path, error);
}

unsigned long quota_n_refused(const struct quota *quota, enum rpc_quota which)
{
    return quota ? atomic_load_explicit(&quota->refused[which], memory_order_relaxed) : 0;
}
