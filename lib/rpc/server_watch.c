// Calls that are cut off by their server: those whose peers do not read what they are sent, and those whose
// certificates have been revoked.
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/guard.h"
#include "rpc/server_impl.h"
#include <time.h>

enum { LISTS_EVERY_MS = 1000, LOOKS_A_STALL = 16 };

static bool has_lists(const struct rpc_server *server)
{
    const struct security *security = server_guard(server);
    return security && security->options.crl;
}

// Those that are open when their certificate is revoked. They are judged without the lock: that takes a
// while.
static void cut_off_revoked(struct rpc_server *server)
{
    size_t n = 0;
    if (!has_lists(server) || !verify_lists_changed(server_guard(server)))
        return;
    pthread_mutex_lock(&server->lock);
    struct rpc_call **calls = memory_array(server->n_calls + 1, sizeof(struct rpc_call *));
    for (struct rpc_call *call = server->calls; call && calls; call = calls_next(call))
        calls[n++] = rpc_call_ref(call);
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < n; i++) {
        if (call_is_revoked(calls[i]))
            rpc_call_cancel(calls[i]);
        rpc_call_unref(calls[i]);
    }
    memory_free(calls);
}

// Under the lock.
static void cut_off_stalled(struct rpc_server *server, int64_t now_ms)
{
    if (!server->stalled_ms)
        return;
    for (struct rpc_call *call = server->calls; call; call = calls_next(call))
        if (call_stalled_ms(call, now_ms) > server->stalled_ms)
            rpc_call_cancel(call);
}

static int64_t step_of(const struct rpc_server *server)
{
    int64_t step_ms = server->stalled_ms ? server->stalled_ms / LOOKS_A_STALL + 1 : LISTS_EVERY_MS;
    return has_lists(server) && step_ms > LISTS_EVERY_MS ? LISTS_EVERY_MS : step_ms;
}

static void *watch(void *argument)
{
    struct rpc_server *server = argument;
    int64_t step_ms = step_of(server), next_ms = clock_monotonic_ms() + step_ms;
    pthread_mutex_lock(&server->lock);
    while (!server->stopping) {
        struct timespec at = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms < next_ms) {
            pthread_cond_timedwait(&server->changed, &server->lock, &at);
            continue;
        }
        cut_off_stalled(server, now_ms);
        pthread_mutex_unlock(&server->lock);
        cut_off_revoked(server);
        pthread_mutex_lock(&server->lock);
        next_ms = now_ms + step_ms;
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

enum status server_watch_start(struct rpc_server *server, struct error *error)
{
    if (!server->stalled_ms && !has_lists(server))
        return STATUS_OK;
    int failed = pthread_create(&server->watch, NULL, watch, server);
    server->watched = !failed;
    return failed ? error_errno(error, failed, "cannot start", "the server's watch") : STATUS_OK;
}

void server_watch_stop(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->watched)
        pthread_join(server->watch, NULL);
}
