// bench-rpc: chunks of 1 MiB up (clients to a server) and down (a server to clients), 1 and 8 streams, beside
// a bare TCP copy of the same bytes in the same run, and unary calls. Server and clients are processes of
// their own. Loopback speed depends on the machine's congestion control: compare within a run only, best
// under
//     unshare -n sh -c 'ip link set lo up; sysctl -qw net.ipv4.tcp_congestion_control=reno; bench-rpc'
#include "rpc/rpc.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cohort/v1/exchange.pb.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_RUNS = 5, STREAMS_MAX = 8, N_UNARY = 32000, N_ASKERS = 64, N_LATENCY = 5000 };

static float *model; // what every sender sends: chunks of one 64 MiB vector
enum { MODEL_BYTES = 64 << 20 };
static const uint64_t total_bytes = 1ull << 30; // a run, all streams together

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void ok(enum status status, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

// Stands for a receiver's work: every byte is read once.
static uint64_t fold(const uint8_t *run, size_t bytes)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i + sizeof word <= bytes; i += sizeof word) {
        memcpy(&word, run + i, sizeof word);
        sum += word;
    }
    return sum;
}

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    *(uint64_t *)user += fold(run, bytes);
    return true;
}

// ---- a stream of chunks, on whichever side sends

struct sender {
    struct rpc_call *call;
    uint64_t offset, end;
    bool client;
};

static void released(void *user)
{
}

static void send_next(struct rpc_call *call, void *user)
{
    struct sender *sender = user;
    if (sender->offset == sender->end) {
        if (sender->client)
            rpc_call_end(call);
        else
            rpc_call_finish(call, STATUS_OK, NULL);
        return;
    }
    uint64_t offset = sender->offset;
    sender->offset += RPC_CHUNK_BYTES;
    rpc_call_send_chunk(call, offset, (const char *)model + offset % MODEL_BYTES, RPC_CHUNK_BYTES, released,
                        NULL, NULL);
}

// ---- the server

static void offer(struct rpc_call *call, void *service, const void *request)
{
    cohort_v1_OfferSummaryResponse response = cohort_v1_OfferSummaryResponse_init_zero;
    response.offset = ((const cohort_v1_OfferSummaryRequest *)request)->header.bytes;
    rpc_call_reply(call, cohort_v1_OfferSummaryResponse_fields, &response);
}

static void fold_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct rpc_chunk chunk;
    struct error error = ERROR_INIT;
    ok(rpc_message_decode_chunk(message, NULL, NULL, &chunk, take, user, &error), &error);
    rpc_call_receive(call);
}

static void submit_ended(struct rpc_call *call, void *user)
{
    cohort_v1_SubmitSummaryResponse response = cohort_v1_SubmitSummaryResponse_init_zero;
    rpc_call_reply(call, cohort_v1_SubmitSummaryResponse_fields, &response);
}

static void free_user(struct rpc_call *call, enum status status, const char *message, void *user)
{
    memory_free(user);
}

static void submit(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {
        .message = fold_message, .ended = submit_ended, .closed = free_user};
    rpc_call_set_events(call, &events, memory_zalloc(sizeof(uint64_t)));
    rpc_call_receive(call);
}

static void fetch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_FetchModelRequest request;
    struct error error = ERROR_INIT;
    ok(rpc_message_decode(message, cohort_v1_FetchModelRequest_fields, &request, &error), &error);
    ((struct sender *)user)->end = request.offset; // how much is wanted
    send_next(call, user);
}

static void fetch(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {
        .message = fetch_message, .writable = send_next, .closed = free_user};
    rpc_call_set_events(call, &events, memory_zalloc(sizeof(struct sender)));
    rpc_call_receive(call);
}

static int serve(void)
{
    static const struct rpc_method methods[] = {
        {.path = "/cohort.v1.Exchange/OfferSummary",
         .request_fields = cohort_v1_OfferSummaryRequest_fields,
         .request_bytes = sizeof(cohort_v1_OfferSummaryRequest),
         .unary = offer},
        {.path = "/cohort.v1.Exchange/SubmitSummary", .open = submit},
        {.path = "/cohort.v1.Exchange/FetchModel", .open = fetch},
        {0},
    };
    struct rpc_service service = {.name = "cohort.v1.Exchange", .methods = methods};
    struct rpc_server_options options = {.services = &service, .n_services = 1};
    struct rpc_runtime *runtime;
    struct rpc_server *server;
    struct error error = ERROR_INIT;
    int port;
    ok(rpc_runtime_new(&runtime, 1, &error), &error);
    ok(rpc_server_new(&server, runtime, &options, &error), &error);
    ok(rpc_server_listen(server, "127.0.0.1:0", &port, &error), &error);
    ok(rpc_server_start(server, &error), &error);
    printf("%d\n", port);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    rpc_server_free(server, 0);
    rpc_runtime_free(runtime);
    return 0;
}

// ---- the clients, in this process

struct finish {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_closed;
};

struct stream {
    struct sender sender; // first: the events' user data
    uint64_t sum;
    struct finish *finish;
};

static void stream_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    fold_message(call, message, &((struct stream *)user)->sum);
}

static void stream_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct finish *finish = ((struct stream *)user)->finish;
    if (status != STATUS_OK) {
        fprintf(stderr, "stream: %s\n", message);
        exit(1);
    }
    pthread_mutex_lock(&finish->lock);
    finish->n_closed++;
    pthread_cond_signal(&finish->changed);
    pthread_mutex_unlock(&finish->lock);
}

static void start_stream(struct stream *stream, struct rpc_channel *channel, bool up, uint64_t bytes)
{
    static const struct rpc_events sends = {.writable = send_next, .closed = stream_closed};
    static const struct rpc_events reads = {.message = stream_message, .closed = stream_closed};
    struct error error = ERROR_INIT;
    stream->sender = (struct sender){.end = bytes, .client = true};
    ok(rpc_call_start(&stream->sender.call, channel,
                      up ? "/cohort.v1.Exchange/SubmitSummary" : "/cohort.v1.Exchange/FetchModel", 0, true,
                      up ? &sends : &reads, stream, &error),
       &error);
    if (up) {
        rpc_call_receive(stream->sender.call);
        send_next(stream->sender.call, stream);
        return;
    }
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    request.offset = bytes;
    ok(rpc_call_send(stream->sender.call, cohort_v1_FetchModelRequest_fields, &request, &error), &error);
    rpc_call_end(stream->sender.call);
    rpc_call_receive(stream->sender.call);
}

static double streams_speed(struct rpc_channel **channels, size_t n, bool up)
{
    struct finish finish = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct stream streams[STREAMS_MAX] = {0};
    int64_t start = clock_monotonic_ns();
    for (size_t i = 0; i < n; i++) {
        streams[i].finish = &finish;
        start_stream(&streams[i], channels[i], up, total_bytes / n);
    }
    pthread_mutex_lock(&finish.lock);
    while (finish.n_closed < n)
        pthread_cond_wait(&finish.changed, &finish.lock);
    pthread_mutex_unlock(&finish.lock);
    double speed = (double)total_bytes / (double)(clock_monotonic_ns() - start);
    for (size_t i = 0; i < n; i++)
        rpc_call_unref(streams[i].sender.call);
    return speed;
}

// ---- the bare copy: the same process layout, one connection

static void copy_chunks(int fd, bool sends)
{
    static uint8_t buffer[RPC_CHUNK_BYTES];
    volatile uint64_t sum = 0;
    for (uint64_t done = 0; done < total_bytes;) {
        ssize_t n = sends ? write(fd, (const char *)model + done % MODEL_BYTES, RPC_CHUNK_BYTES)
                          : read(fd, buffer, sizeof buffer);
        if (n <= 0)
            die("copy");
        if (!sends)
            sum += fold(buffer, (size_t)n);
        done += (uint64_t)n;
    }
}

// Takes one copy after the other until nobody listens.
static int receive_copies(const char *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    name.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char byte;
        if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0 || read(fd, &byte, 1) != 1)
            return 0;
        copy_chunks(fd, false);
        if (write(fd, "", 1) != 1)
            die("write");
        close(fd);
    }
}

// Of this process, the clients': less moved by others' load than wall time.
static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static pid_t start_self(const char *mode, const char *port, int pipes[2])
{
    const char *arguments[] = {"bench-rpc", mode, port, NULL};
    posix_spawn_file_actions_t actions;
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    if (pipes) {
        if (pipe(in) || pipe(out))
            die("pipe");
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        posix_spawn_file_actions_addclose(&actions, in[1]);
        posix_spawn_file_actions_addclose(&actions, out[0]);
    }
    if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char **)(uintptr_t)arguments, environ))
        die("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    if (pipes) {
        close(in[0]);
        close(out[1]);
        pipes[0] = out[0];
        pipes[1] = in[1];
    }
    return pid;
}

static int listen_for_copies(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&name, &bytes))
        die("listen");
    char port[16];
    snprintf(port, sizeof port, "%d", ntohs(name.sin_port));
    start_self("copy", port, NULL);
    return listener;
}

static double copy_speed(int listener)
{
    char byte = 0;
    int fd = accept(listener, NULL, NULL);
    int64_t start = clock_monotonic_ns();
    if (write(fd, &byte, 1) != 1)
        die("write");
    copy_chunks(fd, true);
    if (read(fd, &byte, 1) != 1)
        die("read");
    double speed = (double)total_bytes / (double)(clock_monotonic_ns() - start);
    close(fd);
    return speed;
}

// ---- small calls

static void ask(struct rpc_channel *channel)
{
    cohort_v1_OfferSummaryRequest request = cohort_v1_OfferSummaryRequest_init_zero;
    cohort_v1_OfferSummaryResponse response;
    struct error error = ERROR_INIT;
    request.has_header = true;
    request.header.bytes = 1;
    ok(rpc_unary(channel, "/cohort.v1.Exchange/OfferSummary", 0, cohort_v1_OfferSummaryRequest_fields,
                 &request, cohort_v1_OfferSummaryResponse_fields, &response, &error),
       &error);
}

// Calls that start the next as they close, so that no thread waits: `n_left` is touched on the queue only.
struct asker {
    struct rpc_channel *channel;
    struct finish *finish;
    size_t n_left;
};

static void ask_next(struct asker *asker);

static void asked(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct asker *asker = user;
    if (status != STATUS_OK) {
        fprintf(stderr, "unary: %s\n", message);
        exit(1);
    }
    rpc_call_unref(call);
    if (asker->n_left > 0) {
        ask_next(asker);
        return;
    }
    pthread_mutex_lock(&asker->finish->lock);
    asker->finish->n_closed++;
    pthread_cond_signal(&asker->finish->changed);
    pthread_mutex_unlock(&asker->finish->lock);
}

static void ignore_answer(struct rpc_call *call, struct rpc_message *message, void *user)
{
}

static void ask_next(struct asker *asker)
{
    static const struct rpc_events events = {.message = ignore_answer, .closed = asked};
    cohort_v1_OfferSummaryRequest request = cohort_v1_OfferSummaryRequest_init_zero;
    struct error error = ERROR_INIT;
    struct rpc_call *call;
    asker->n_left--;
    ok(rpc_call_start(&call, asker->channel, "/cohort.v1.Exchange/OfferSummary", 0, false, &events, asker,
                      &error),
       &error);
    ok(rpc_call_send(call, cohort_v1_OfferSummaryRequest_fields, &request, &error), &error);
    rpc_call_end(call);
    rpc_call_receive(call);
}

static double calls_rate(struct rpc_channel **channels)
{
    struct finish finish = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct asker askers[N_ASKERS];
    int64_t start = clock_monotonic_ns();
    for (size_t i = 0; i < N_ASKERS; i++) {
        askers[i] = (struct asker){channels[i % STREAMS_MAX], &finish, N_UNARY / N_ASKERS};
        ask_next(&askers[i]);
    }
    pthread_mutex_lock(&finish.lock);
    while (finish.n_closed < N_ASKERS)
        pthread_cond_wait(&finish.changed, &finish.lock);
    pthread_mutex_unlock(&finish.lock);
    return N_UNARY / ((double)(clock_monotonic_ns() - start) / 1e9);
}

static void measure_calls(struct rpc_channel **channels)
{
    static double micros[N_LATENCY];
    for (size_t i = 0; i < N_LATENCY; i++) {
        int64_t start = clock_monotonic_ns();
        ask(channels[0]);
        micros[i] = (double)(clock_monotonic_ns() - start) / 1e3;
    }
    double p50 = median(micros, N_LATENCY);
    double p99 = micros[N_LATENCY * 99 / 100];
    double rates[N_RUNS], before = cpu_seconds();
    for (int run = 0; run < N_RUNS; run++)
        rates[run] = calls_rate(channels);
    printf("unary: p50 %.0f us, p99 %.0f us; %.0f calls/s with %d under way, client's CPU %.1f us each\n",
           p50, p99, median(rates, N_RUNS), N_ASKERS, (cpu_seconds() - before) / N_RUNS / N_UNARY * 1e6);
}

// A copy and a run of streams by turns, so that both meet the same machine.
static void measure_streams(struct rpc_channel **channels, const char *what, size_t n, bool up, int listener)
{
    double speeds[N_RUNS], copies[N_RUNS], shares[N_RUNS], cpu = 0;
    for (int run = 0; run < N_RUNS; run++) {
        copies[run] = copy_speed(listener);
        double before = cpu_seconds();
        speeds[run] = streams_speed(channels, n, up);
        shares[run] = speeds[run] / copies[run];
        cpu += cpu_seconds() - before;
    }
    printf("%-22s %5.2f GB/s, bare TCP %5.2f GB/s, share %.2f, client's CPU %.3f s/GB\n", what,
           median(speeds, N_RUNS), median(copies, N_RUNS), median(shares, N_RUNS),
           cpu / N_RUNS / ((double)total_bytes / 1e9));
}

int main(int argc, char **argv)
{
    memory_tune_for_streams();
    model = memory_floats(MODEL_BYTES / sizeof *model);
    memset(model, 1, MODEL_BYTES);
    if (argc > 2)
        return receive_copies(argv[2]);
    if (argc > 1)
        return serve();
    int pipes[2];
    int listener = listen_for_copies();
    pid_t pid = start_self("serve", NULL, pipes);
    char address[64] = "127.0.0.1:";
    ssize_t n = read(pipes[0], address + strlen(address), 16);
    if (n <= 0)
        die("server");
    address[strcspn(address, "\n")] = '\0';
    struct rpc_runtime *runtime;
    struct rpc_channel *channels[STREAMS_MAX];
    struct error error = ERROR_INIT;
    ok(rpc_runtime_new(&runtime, 1, &error), &error);
    for (size_t i = 0; i < STREAMS_MAX; i++)
        ok(rpc_channel_new(&channels[i], runtime, address, &error), &error);
    measure_streams(channels, "upload, 1 stream", 1, true, listener);
    measure_streams(channels, "upload, 8 streams", 8, true, listener);
    measure_streams(channels, "broadcast, 1 stream", 1, false, listener);
    measure_streams(channels, "broadcast, 8 streams", 8, false, listener);
    measure_calls(channels);
    printf("peak memory of the clients' process: %zu MB\n", memory_peak_rss() >> 20);
    for (size_t i = 0; i < STREAMS_MAX; i++)
        rpc_channel_free(channels[i]);
    rpc_runtime_free(runtime);
    close(listener);
    close(pipes[1]);
    waitpid(pid, NULL, 0);
    return 0;
}
