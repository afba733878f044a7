// The limit that exchanges are measured against: the same bytes and the same fold over bare TCP on the
// loopback, with neither protocol nor fault tolerance. Each round the server sends every learner the model,
// each sends it back, the server folds what arrives into the ring (a lock a block of 1 MiB) and makes the
// mean of the sums.
//
//     bench-star LEARNERS PARAMETERS ROUNDS [HEADER]    prints the median and the 95th percentile of a round
//     in seconds
//
// With HEADER, so many bytes go before each block, as protocols have it: where what is copied lies with
// respect to whole vectors decides how fast the kernel copies it (docs/benchmarks.md).
#include "base/clock.h"
#include "base/memory.h"
#include "reduce/ring.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK_VALUES = 1 << 18, LEARNERS_MAX = 1024, HEADER_BYTES_MAX = 4096 };

struct star {
    size_t n_learners, n_values, n_blocks, header_bytes;
    unsigned long n_rounds;
    float *model;           // [n_values]
    int64_t *sums;          // [n_values]
    pthread_mutex_t *locks; // [n_blocks], each of its block's sums
    pthread_barrier_t step;
};

struct seat { // a learner as the server sees it, with a thread of its own
    struct star *star;
    size_t index;
    int socket;
};

static void fail(const char *what)
{
    perror(what);
    _exit(1);
}

static void send_all(int socket, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        ssize_t n = send(socket, at, bytes, MSG_NOSIGNAL);
        if (n <= 0)
            fail("send");
        at += n;
        bytes -= (size_t)n;
    }
}

static void receive_all(int socket, void *data, size_t bytes)
{
    for (char *at = data; bytes;) {
        ssize_t n = recv(socket, at, bytes, 0);
        if (n <= 0)
            fail("recv");
        at += n;
        bytes -= (size_t)n;
    }
}

static size_t block_size(size_t n_values, size_t block)
{
    size_t left = n_values - block * BLOCK_VALUES;
    return left < BLOCK_VALUES ? left : BLOCK_VALUES;
}

// A header and a block in one call, as long as the socket takes them.
static void send_block(int socket, size_t header_bytes, const void *data, size_t bytes)
{
    static const char header[HEADER_BYTES_MAX];
    struct iovec parts[2] = {{(void *)(uintptr_t)header, header_bytes}, {(void *)(uintptr_t)data, bytes}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n <= 0)
        fail("sendmsg");
    size_t sent = (size_t)n;
    if (sent < header_bytes)
        send_all(socket, header + sent, header_bytes - sent);
    size_t of_data = sent > header_bytes ? sent - header_bytes : 0;
    send_all(socket, (const char *)data + of_data, bytes - of_data);
}

static void send_model(int socket, size_t header_bytes, const float *values, size_t n_values)
{
    if (header_bytes == 0) {
        send_all(socket, values, n_values * sizeof *values);
        return;
    }
    for (size_t first = 0; first < n_values; first += BLOCK_VALUES)
        send_block(socket, header_bytes, values + first,
                   block_size(n_values, first / BLOCK_VALUES) * sizeof *values);
}

static void receive_block(int socket, size_t header_bytes, float *values, size_t n)
{
    char header[HEADER_BYTES_MAX];
    receive_all(socket, header, header_bytes);
    receive_all(socket, values, n * sizeof *values);
}

static void *allocate(size_t n, size_t bytes)
{
    void *block = memory_array(n, bytes);
    if (!block)
        fail("memory");
    return block;
}

// ---- a learner's process

static void learn(const struct star *star, struct sockaddr_in address)
{
    int one = 1, peer = socket(AF_INET, SOCK_STREAM, 0);
    if (peer < 0 || connect(peer, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const size_t n_values = star->n_values, header_bytes = star->header_bytes;
    float *model = allocate(n_values, sizeof *model);
    for (unsigned long round = 0; round < star->n_rounds; round++) {
        for (size_t first = 0; header_bytes && first < n_values; first += BLOCK_VALUES)
            receive_block(peer, header_bytes, model + first, block_size(n_values, first / BLOCK_VALUES));
        if (!header_bytes)
            receive_all(peer, model, n_values * sizeof *model);
        send_model(peer, header_bytes, model, n_values);
    }
    _exit(0);
}

// ---- the server

static void collect(const struct seat *seat, float *values)
{
    struct star *star = seat->star;
    for (size_t block = 0; block < star->n_blocks; block++) {
        size_t n = block_size(star->n_values, block);
        receive_block(seat->socket, star->header_bytes, values, n);
        pthread_mutex_lock(&star->locks[block]);
        bool folded = ring_fold(star->sums + block * BLOCK_VALUES, values, n, 1);
        pthread_mutex_unlock(&star->locks[block]);
        if (!folded)
            fail("a value out of range");
    }
}

// This thread's share of the blocks.
static void reduce(const struct seat *seat)
{
    struct star *star = seat->star;
    for (size_t block = seat->index; block < star->n_blocks; block += star->n_learners) {
        size_t first = block * BLOCK_VALUES, n = block_size(star->n_values, block);
        ring_mean(star->model + first, star->sums + first, n, (double)star->n_learners);
        memset(star->sums + first, 0, n * sizeof *star->sums);
    }
}

static void *serve(void *argument)
{
    const struct seat *seat = argument;
    struct star *star = seat->star;
    float *values = allocate(BLOCK_VALUES, sizeof *values);
    for (unsigned long round = 0; round < star->n_rounds; round++) {
        pthread_barrier_wait(&star->step); // the round begins
        send_model(seat->socket, star->header_bytes, star->model, star->n_values);
        collect(seat, values);
        pthread_barrier_wait(&star->step); // everything has been folded
        reduce(seat);
        pthread_barrier_wait(&star->step); // the next model is whole
    }
    return memory_free(values);
}

static void init(struct star *star)
{
    star->n_blocks = (star->n_values + BLOCK_VALUES - 1) / BLOCK_VALUES;
    star->model = allocate(star->n_values, sizeof *star->model);
    star->sums = allocate(star->n_values, sizeof *star->sums);
    star->locks = allocate(star->n_blocks, sizeof *star->locks);
    for (size_t i = 0; i < star->n_values; i++)
        star->model[i] = (float)(i % 1000) * 0.001f;
    for (size_t i = 0; i < star->n_blocks; i++)
        pthread_mutex_init(&star->locks[i], NULL);
    pthread_barrier_init(&star->step, NULL, (unsigned int)star->n_learners + 1);
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(struct star *star, struct seat *seats)
{
    pthread_t thread;
    double *seconds = allocate(star->n_rounds, sizeof *seconds);
    for (size_t i = 0; i < star->n_learners; i++)
        if (pthread_create(&thread, NULL, serve, &seats[i]) || pthread_detach(thread))
            fail("thread");
    for (unsigned long round = 0; round < star->n_rounds; round++) {
        int64_t started_ns = clock_monotonic_ns();
        for (int step = 0; step < 3; step++)
            pthread_barrier_wait(&star->step);
        seconds[round] = (double)(clock_monotonic_ns() - started_ns) * 1e-9;
    }
    qsort(seconds, star->n_rounds, sizeof *seconds, ascending);
    printf("%.6f %.6f\n", seconds[star->n_rounds / 2], seconds[(star->n_rounds - 1) * 95 / 100]);
    memory_free(seconds);
}

int main(int argc, char **argv)
{
    static struct seat seats[LEARNERS_MAX];
    static struct star star; // its threads may leave the last barrier while main ends
    if (argc == 4 || argc == 5) {
        star.n_learners = strtoul(argv[1], NULL, 10);
        star.n_values = strtoul(argv[2], NULL, 10);
        star.n_rounds = strtoul(argv[3], NULL, 10);
        star.header_bytes = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    }
    if (!star.n_learners || star.n_learners > LEARNERS_MAX || !star.n_values || !star.n_rounds ||
        star.header_bytes > HEADER_BYTES_MAX) {
        fprintf(stderr, "usage: bench-star LEARNERS PARAMETERS ROUNDS [HEADER]\n");
        return 2;
    }
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, LEARNERS_MAX) || getsockname(listener, (struct sockaddr *)&address, &bytes))
        fail("listen");
    for (size_t i = 0; i < star.n_learners; i++)
        if (fork() == 0)
            learn(&star, address);
    for (size_t i = 0; i < star.n_learners; i++) {
        seats[i] = (struct seat){.star = &star, .index = i, .socket = accept(listener, NULL, NULL)};
        if (seats[i].socket < 0)
            fail("accept");
        setsockopt(seats[i].socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    init(&star);
    measure(&star, seats);
    while (wait(NULL) > 0)
        ;
    return 0;
}
