// What server.c and server_watch.c share.
#pragma once

#include "rpc/rpc_impl.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a call needs to know of where it arrived.
struct method_entry {
    const char *path;
    size_t path_bytes;
    const struct rpc_method *method; // NULL: unknown
    void *service;
    struct rpc_server *server;
};

struct arrival;

struct rpc_server {
    struct rpc_runtime *runtime;
    grpc_server *grpc;
    struct rpc_service *services; // with health and reflection
    size_t n_services;
    struct method_entry *methods; // sorted by path
    size_t n_methods;
    struct method_entry unknown;
    struct health *health;
    struct reflection reflection;
    struct arrival *arrivals; // one a queue
    struct rpc_tag shutdown_tag;
    struct quota *quota; // NULL: nothing is bounded
    int64_t stalled_ms;  // rpc_server_options
    pthread_t watch;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t changed;
    bool started, watched, stopping, shut_down;
    size_t n_armed;
    size_t n_calls;
    struct rpc_call *calls; // between their arrival and their end
};

// Whose security decides; NULL: nobody is asked, on a port without TLS.
struct security *server_guard(const struct rpc_server *server);

// ---- server_watch.c

// Starts the thread that cuts off calls, where there are any to cut off.
enum status server_watch_start(struct rpc_server *server, struct error *error);
void server_watch_stop(struct rpc_server *server);
