// gRPC's start and end, and the queues: one thread each, which runs every callback of the calls bound to it.
#include "base/memory.h"
#include "rpc/guard.h"
#include "rpc/rpc_impl.h"
#include <dlfcn.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct queue {
    grpc_completion_queue *grpc;
    pthread_t thread;
    bool running;
};

struct rpc_runtime {
    atomic_size_t next;
    size_t n_queues;
    bool window_probe;
    struct security *security;
    struct queue queues[];
};

static void *queue_main(void *argument)
{
    struct queue *queue = argument;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue->grpc, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_OP_COMPLETE) {
            struct rpc_tag *tag = event.tag;
            tag_is_back(tag);
            tag->run(tag, event.success);
        }
    }
}

// gRPC tells of refused connections and ports in use, which are returned as errors here; only what has no
// other way out is let through.
static void log_quietly(gpr_log_func_args *args)
{
    static const char *const told_otherwise[] = {"chttp2_server",   "chttp2_connector", "tcp_server",
                                                 "tcp_client",      "subchannel",       "socket_utils",
                                                 "chttp2_transport"};
    for (size_t i = 0; i < ARRAY_SIZE(told_otherwise); i++)
        if (strstr(args->file, told_otherwise[i]))
            return;
    fprintf(stderr, "gRPC: %s:%d: %s\n", args->file, args->line, args->message);
}

// Debian builds abseil, whose locks gRPC takes, so that each lock looks for deadlocks: 3 % of the time of
// small messages. abseil has a switch for that, in C++ alone; where it is not found, things stay as they are.
static void stop_deadlock_search(void)
{
    static const char *const names[] = {
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE",
        "_ZN4absl12lts_2022062329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE",
    };
    enum { IGNORE = 0 }; // absl::OnDeadlockCycle::kIgnore
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        void (*set)(int mode);
        if (!symbol)
            continue;
        memcpy(&set, &symbol, sizeof set); // ISO C has no conversion between the two
        set(IGNORE);
        return;
    }
}

static enum status queue_start(struct queue *queue, size_t index, struct error *error)
{
    queue->grpc = grpc_completion_queue_create_for_next(NULL);
    int number = pthread_create(&queue->thread, NULL, queue_main, queue);
    if (number)
        return error_errno(error, number, "cannot start a thread for", "remote calls");
    queue->running = true;
    char name[16];
    snprintf(name, sizeof name, "rpc-%zu", index % 1000);
    pthread_setname_np(queue->thread, name);
    return STATUS_OK;
}

static enum status queues_start(struct rpc_runtime *runtime, struct error *error)
{
    for (size_t i = 0; i < runtime->n_queues; i++)
        TRY(queue_start(&runtime->queues[i], i, error));
    return STATUS_OK;
}

enum status rpc_runtime_new(struct rpc_runtime **ret, size_t n_threads, struct error *error)
{
    size_t n = n_threads ? n_threads : 1;
    size_t bytes = sizeof(struct rpc_runtime) + n * sizeof(struct queue);
    struct rpc_runtime *runtime = memory_zalloc(bytes);
    if (!runtime)
        return error_no_memory(error, bytes);
    runtime->n_queues = n;
    runtime->window_probe = true;
    if (!getenv("GRPC_VERBOSITY"))
        gpr_set_log_function(log_quietly);
    // Signals are for the program's own threads: gRPC's and the queues' inherit a full mask.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    grpc_init();
    stop_deadlock_search();
    enum status status = queues_start(runtime, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != STATUS_OK) {
        rpc_runtime_free(runtime);
        return status;
    }
    *ret = runtime;
    return STATUS_OK;
}

static void queue_stop(struct queue *queue)
{
    if (!queue->grpc)
        return;
    grpc_completion_queue_shutdown(queue->grpc);
    if (queue->running)
        pthread_join(queue->thread, NULL);
    else
        grpc_completion_queue_next(queue->grpc, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(queue->grpc);
}

struct rpc_runtime *rpc_runtime_free(struct rpc_runtime *runtime)
{
    if (!runtime)
        return NULL;
    for (size_t i = 0; i < runtime->n_queues; i++)
        queue_stop(&runtime->queues[i]);
    grpc_shutdown_blocking();
    security_free(runtime->security);
    return memory_free(runtime);
}

void rpc_runtime_set_window_probe(struct rpc_runtime *runtime, bool probe)
{
    runtime->window_probe = probe;
}

bool runtime_window_probe(const struct rpc_runtime *runtime)
{
    return runtime->window_probe;
}

size_t runtime_n_queues(const struct rpc_runtime *runtime)
{
    return runtime->n_queues;
}

grpc_completion_queue *runtime_queue(struct rpc_runtime *runtime, size_t index)
{
    return runtime->queues[index].grpc;
}

grpc_completion_queue *runtime_next_queue(struct rpc_runtime *runtime)
{
    return runtime->queues[atomic_fetch_add(&runtime->next, 1) % runtime->n_queues].grpc;
}

bool runtime_is_queue_thread(const struct rpc_runtime *runtime)
{
    for (size_t i = 0; i < runtime->n_queues; i++)
        if (pthread_equal(pthread_self(), runtime->queues[i].thread))
            return true;
    return false;
}

enum status rpc_runtime_secure(struct rpc_runtime *runtime, const struct security_options *options,
                               void (*refused)(const char *who, const char *method, const char *peer,
                                               const char *why),
                               struct error *error)
{
    TRY(security_new(&runtime->security, options, error));
    runtime->security->refused = refused;
    return STATUS_OK;
}

struct security *runtime_security(const struct rpc_runtime *runtime)
{
    return runtime->security;
}
