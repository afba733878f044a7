// Calls from many threads at once, for ThreadSanitizer (Criterion cannot run under it): unary calls, streams
// that two threads send on while a third cancels, uploads whose chunks are counted, and health going up and
// down. Usage: stress [SECONDS]
#include "base/clock.h"
#include "echo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_WORKERS = 4, SENDS = 40, CHUNKS = 6 };

static struct echo echo;
static atomic_bool stopping;
static atomic_size_t n_unary, n_streams, n_uploads, n_sent, n_released, n_failures;

static void fail(const char *what, const char *words)
{
    fprintf(stderr, "%s: %s\n", what, words);
    atomic_fetch_add(&n_failures, 1);
}

static void one_unary(uint64_t number)
{
    struct error error = ERROR_INIT;
    uint64_t offset = 0;
    if (offer(echo.channel, "a", number, 20000, &offset, &error) != STATUS_OK)
        fail("unary", error.message);
    else if (offset != number)
        fail("unary", "another call's answer");
    atomic_fetch_add(&n_unary, 1);
}

static void *send_many(void *argument)
{
    struct rpc_call *call = argument;
    for (size_t i = 0; i < SENDS; i++)
        send_join(call, i + 1);
    rpc_call_unref(call);
    return NULL;
}

// Two threads send, this one ends or cancels in between.
static void one_stream(unsigned int seed)
{
    struct watch watch;
    pthread_t threads[2];
    watch_init(&watch);
    if (rpc_call_start(&watch.call, echo.channel, PATH_ATTEND, 0, true, &watch_attend, &watch, NULL) !=
        STATUS_OK)
        return;
    rpc_call_receive(watch.call);
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, send_many, rpc_call_ref(watch.call));
    if (seed % 3 == 0)
        rpc_call_cancel(watch.call);
    else if (seed % 3 == 1)
        send_leave(watch.call, seed % 2 ? "finish" : "cancel");
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    rpc_call_end(watch.call);
    if (!watch_wait(&watch, &watch.n_closed, 1))
        fail("stream", "never closed");
    rpc_call_unref(watch.call);
    atomic_fetch_add(&n_streams, 1);
}

static void count_release(void *user)
{
    atomic_fetch_add(&n_released, 1);
}

static void one_upload(unsigned int seed)
{
    static const uint8_t data[RPC_CHUNK_BYTES];
    struct watch watch;
    watch_init(&watch);
    if (rpc_call_start(&watch.call, echo.channel, PATH_SUBMIT, 0, true, &watch_submit, &watch, NULL) !=
        STATUS_OK)
        return;
    rpc_call_receive(watch.call);
    for (size_t i = 0; i < CHUNKS; i++) {
        atomic_fetch_add(&n_sent, 1);
        if (rpc_call_send_chunk(watch.call, i << 20, data, sizeof data, count_release, NULL, NULL) !=
            STATUS_OK)
            break;
        if (seed % 4 == i)
            rpc_call_cancel(watch.call);
        else if (seed % 4 > i || seed % 4 == 0)
            watch_wait(&watch, &watch.n_writable, i + 1);
    }
    rpc_call_end(watch.call);
    if (!watch_wait(&watch, &watch.n_closed, 1))
        fail("upload", "never closed");
    rpc_call_unref(watch.call);
    atomic_fetch_add(&n_uploads, 1);
}

static void *work(void *argument)
{
    unsigned int seed = (unsigned int)(uintptr_t)argument;
    while (!atomic_load(&stopping)) {
        one_unary(seed);
        one_stream(seed);
        if (seed % 4 == 0)
            one_upload(seed / 4);
        rpc_server_set_serving(echo.server, seed % 2);
        seed += N_WORKERS + 1;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_WORKERS];
    echo_start(&echo, NULL, 2);
    for (size_t i = 0; i < N_WORKERS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i);
    int64_t until = clock_monotonic_ms() + 1000 * (argc > 1 ? atoi(argv[1]) : 2);
    while (clock_monotonic_ms() < until)
        rpc_health_check(echo.runtime, echo.address, "", 5000, NULL);
    atomic_store(&stopping, true);
    for (size_t i = 0; i < N_WORKERS; i++)
        pthread_join(threads[i], NULL);
    echo_stop(&echo);
    printf("%zu unary, %zu streams, %zu uploads; %zu of %zu chunks released, %zu of %zu streams closed\n",
           n_unary, n_streams, n_uploads, n_released, n_sent, echo.n_closed, echo.n_open);
    if (n_released != n_sent || echo.n_closed != echo.n_open || n_unary == 0)
        fail("stress", "the counts differ");
    return n_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
