// A server: its table of methods, the calls that arrive, and its end.
//
// One request_call is armed for every queue as long as the server serves: with none armed an unknown method
// would wait for its deadline. The end has one order: stop arming, shutdown_and_notify, wait for `grace_ms`,
// cancel_all, await the tag, the armed requests and the calls, destroy.
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/channel_arguments.h"
#include "rpc/guard.h"
#include "rpc/quota.h"
#include "rpc/server_impl.h"
#include <assert.h>
#include <errno.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A request_call that is armed.
struct arrival {
    struct rpc_tag tag;
    struct rpc_server *server;
    grpc_completion_queue *queue;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

enum { N_OWN_SERVICES = 3 };

// ---- the table

static int compare_paths(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_entries(const void *a, const void *b)
{
    const struct method_entry *x = a, *y = b;
    return compare_paths(x->path, x->path_bytes, y->path, y->path_bytes);
}

static struct method_entry *find_method(struct rpc_server *server, const grpc_slice *path)
{
    struct method_entry key = {.path = (const char *)GRPC_SLICE_START_PTR(*path),
                               .path_bytes = GRPC_SLICE_LENGTH(*path)};
    struct method_entry *found =
        bsearch(&key, server->methods, server->n_methods, sizeof key, compare_entries);
    return found ? found : &server->unknown;
}

static enum status gather_services(struct rpc_server *server, const struct rpc_server_options *options,
                                   struct error *error)
{
    size_t n = options->n_services + N_OWN_SERVICES;
    server->services = memory_array(n, sizeof *server->services);
    if (!server->services)
        return error_no_memory(error, n * sizeof *server->services);
    if (options->n_services)
        memcpy(server->services, options->services, options->n_services * sizeof *server->services);
    server->n_services = n;
    struct rpc_service *own = server->services + options->n_services;
    own[0] = (struct rpc_service){.name = "grpc.health.v1.Health", .methods = health_methods};
    own[1] = (struct rpc_service){.name = "grpc.reflection.v1.ServerReflection",
                                  .methods = reflection_v1_methods,
                                  .self = &server->reflection};
    own[2] = (struct rpc_service){.name = "grpc.reflection.v1alpha.ServerReflection",
                                  .methods = reflection_v1alpha_methods,
                                  .self = &server->reflection};
    TRY(health_new(&server->health, server->services, n, error));
    own[0].self = server->health;
    server->reflection = (struct reflection){.services = server->services, .n_services = n};
    return STATUS_OK;
}

static enum status gather_methods(struct rpc_server *server, struct error *error)
{
    for (size_t i = 0; i < server->n_services; i++)
        for (const struct rpc_method *method = server->services[i].methods; method->path; method++)
            server->n_methods++;
    server->methods = memory_array(server->n_methods, sizeof *server->methods);
    if (!server->methods)
        return error_no_memory(error, server->n_methods * sizeof *server->methods);
    struct method_entry *entry = server->methods;
    for (size_t i = 0; i < server->n_services; i++)
        for (const struct rpc_method *method = server->services[i].methods; method->path; method++)
            *entry++ = (struct method_entry){.path = method->path,
                                             .path_bytes = strlen(method->path),
                                             .method = method,
                                             .service = server->services[i].self,
                                             .server = server};
    qsort(server->methods, server->n_methods, sizeof *server->methods, compare_entries);
    for (size_t i = 1; i < server->n_methods; i++)
        if (compare_entries(&server->methods[i - 1], &server->methods[i]) == 0)
            return error_set(error, STATUS_INTERNAL, "method '%s' is served twice", server->methods[i].path);
    server->unknown.server = server;
    return STATUS_OK;
}

// ---- calls

static void call_over(struct rpc_call *call, void *context)
{
    struct rpc_server *server = ((struct method_entry *)context)->server;
    pthread_mutex_lock(&server->lock);
    server->n_calls--;
    calls_remove(call);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void unary_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    const struct method_entry *entry = call_context(call);
    const struct rpc_method *method = entry->method;
    struct error error = ERROR_INIT;
    void *request = memory_zalloc(method->request_bytes);
    if (!request) {
        error_no_memory(&error, method->request_bytes);
        rpc_call_fail(call, &error);
        return;
    }
    if (rpc_message_decode(message, method->request_fields, request, &error) != STATUS_OK) {
        memory_free(request);
        rpc_call_fail(call, &error);
        return;
    }
    call_own_request(call, method->request_fields, request);
    method->unary(call, entry->service, request);
}

static void unary_ended(struct rpc_call *call, void *user)
{
    rpc_call_finish(call, STATUS_INVALID_ARGUMENT, "the call has no request; send one message");
}

static void handle(struct rpc_call *call, const struct method_entry *entry, const char *path)
{
    static const struct rpc_events unary_events = {.message = unary_message, .ended = unary_ended};
    if (!entry->method) {
        cleanup_free char *words =
            memory_format("there is no method '%s' here; list what there is with reflection", path);
        rpc_call_finish(call, STATUS_UNIMPLEMENTED, words);
    } else if (entry->method->unary) {
        rpc_call_set_events(call, &unary_events, NULL);
        rpc_call_receive(call);
    } else {
        entry->method->open(call, entry->service);
    }
    call_begin(call);
}

struct security *server_guard(const struct rpc_server *server)
{
    struct security *security = runtime_security(server->runtime);
    return security && security->options.certificate ? security : NULL;
}

static void accept_call(struct rpc_server *server, grpc_call *grpc, struct method_entry *entry,
                        const char *path, const struct identity *identity, struct error *refusal)
{
    struct share *share = quota_share(server->quota, grpc);
    struct rpc_call *call = call_new(&(struct call_start){.grpc = grpc,
                                                          .server_side = true,
                                                          .over = call_over,
                                                          .context = entry,
                                                          .path = entry->path,
                                                          .security = server_guard(server),
                                                          .identity = *identity,
                                                          .share = share});
    if (!call) {
        grpc_call_cancel_with_status(grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
        grpc_call_unref(grpc);
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->n_calls++;
    calls_add(&server->calls, call);
    pthread_mutex_unlock(&server->lock);
    if (refusal->status == STATUS_OK)
        quota_admit(server->quota, share, grpc, identity, path, refusal);
    if (refusal->status == STATUS_OK) {
        handle(call, entry, path);
    } else {
        rpc_call_finish(call, refusal->status, refusal->message);
        call_begin(call);
    }
}

static void disarm(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->n_armed--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void arm(struct arrival *arrival)
{
    struct rpc_server *server = arrival->server;
    grpc_call_details_init(&arrival->details);
    grpc_metadata_array_init(&arrival->metadata);
    tag_leaves(&arrival->tag);
    if (grpc_server_request_call(server->grpc, &arrival->call, &arrival->details, &arrival->metadata,
                                 arrival->queue, arrival->queue, &arrival->tag) != GRPC_CALL_OK)
        disarm(server);
}

static void arrival_tag(struct rpc_tag *tag, bool ok)
{
    struct arrival *arrival = container_of(tag, struct arrival, tag);
    struct rpc_server *server = arrival->server;
    if (!ok) {
        grpc_call_details_destroy(&arrival->details);
        grpc_metadata_array_destroy(&arrival->metadata);
        disarm(server);
        return;
    }
    grpc_call *grpc = arrival->call;
    struct method_entry *entry = find_method(server, &arrival->details.method);
    char *path = entry->method ? NULL : grpc_slice_to_c_string(arrival->details.method);
    struct identity identity = {0};
    struct error refusal = ERROR_INIT;
    if (server_guard(server))
        guard_admit(server_guard(server), grpc, &arrival->metadata, path ? path : entry->path, &identity,
                    &refusal);
    grpc_call_details_destroy(&arrival->details);
    grpc_metadata_array_destroy(&arrival->metadata);
    arm(arrival); // once shutting down, it comes back as not OK
    accept_call(server, grpc, entry, path ? path : entry->path, &identity, &refusal);
    gpr_free(path);
}

// ---- the beginning

static grpc_resource_quota *make_quota(int64_t bytes)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("received");
    size_t half = memory_limit() / 2;
    if (bytes || half)
        grpc_resource_quota_resize(quota, bytes ? (size_t)bytes : half);
    return quota;
}

static grpc_server *make_grpc_server(struct rpc_runtime *runtime, const struct rpc_server_options *options)
{
    int64_t max_streams = options->max_streams;
    grpc_resource_quota *quota = make_quota(options->max_received_bytes);
    grpc_arg args[] = {
        {.type = GRPC_ARG_POINTER,
         .key = (char[]){GRPC_ARG_RESOURCE_QUOTA},
         .value.pointer = {.p = quota, .vtable = grpc_resource_quota_arg_vtable()}},
        CHANNEL_ARGUMENTS_SHARED(runtime),
        INTEGER_ARGUMENT(GRPC_ARG_ALLOW_REUSEPORT, 0), // or two servers share a port in silence
        INTEGER_ARGUMENT(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                         max_streams > 0 && max_streams < INT_MAX ? (int)max_streams : INT_MAX),
        INTEGER_ARGUMENT(GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES_MAX),
        INTEGER_ARGUMENT(GRPC_ARG_MAX_CONNECTION_IDLE_MS, INT_MAX),
        INTEGER_ARGUMENT(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS),
        // Clients may ping as often as they do: no too_many_pings.
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_INTERVAL_MIN_MS),
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0),
    };
    grpc_channel_args all = {.num_args = ARRAY_SIZE(args), .args = args};
    grpc_server *server = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    for (size_t i = 0; i < runtime_n_queues(runtime); i++)
        grpc_server_register_completion_queue(server, runtime_queue(runtime, i), NULL);
    return server;
}

static struct rpc_server *server_release(struct rpc_server *server)
{
    if (server->grpc)
        grpc_server_destroy(server->grpc);
    health_free(server->health);
    memory_free(server->services);
    memory_free(server->methods);
    memory_free(server->arrivals);
    quota_free(server->quota);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    return memory_free(server);
}

static void init_lock(struct rpc_server *server)
{
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status rpc_server_new(struct rpc_server **ret, struct rpc_runtime *runtime,
                           const struct rpc_server_options *options, struct error *error)
{
    struct rpc_server *server = memory_zalloc(sizeof *server);
    if (!server)
        return error_no_memory(error, sizeof *server);
    init_lock(server);
    server->runtime = runtime;
    server->stalled_ms = options->stalled_ms;
    enum status status = gather_services(server, options, error);
    if (status == STATUS_OK)
        status = gather_methods(server, error);
    if (status == STATUS_OK)
        status = quota_new(&server->quota, options, error);
    server->arrivals = memory_array(runtime_n_queues(runtime), sizeof *server->arrivals);
    if (status == STATUS_OK && !server->arrivals)
        status = error_no_memory(error, runtime_n_queues(runtime) * sizeof *server->arrivals);
    if (status != STATUS_OK) {
        server_release(server);
        return status;
    }
    server->grpc = make_grpc_server(runtime, options);
    *ret = server;
    return STATUS_OK;
}

enum status rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port,
                              struct error *error)
{
    if (server->started)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "'%s' comes too late: ports are added before the server starts", address);
    TRY(address_prepare(address, error));
    struct security *security = runtime_security(server->runtime);
    if (security && !security->options.certificate && !security->options.insecure &&
        !address_is_local(address))
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "'%s' would let anyone who reaches it do anything; set tls.certificate, tls.key and "
                         "tls.ca, or insecure: true",
                         address);
    grpc_server_credentials *credentials = credentials_for_server(security);
    int port = grpc_server_add_http2_port(server->grpc, address, credentials);
    grpc_server_credentials_release(credentials);
    if (port <= 0)
        return address_explain(address, error);
    if (ret_port)
        *ret_port = strncmp(address, "unix:", 5) == 0 ? 0 : port;
    return STATUS_OK;
}

enum status rpc_server_start(struct rpc_server *server, struct error *error)
{
    if (server->started)
        return error_set(error, STATUS_FAILED_PRECONDITION, "the server was started already");
    TRY(server_watch_start(server, error));
    grpc_server_start(server->grpc);
    server->started = true;
    size_t n = runtime_n_queues(server->runtime);
    pthread_mutex_lock(&server->lock);
    server->n_armed = n;
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < n; i++) {
        server->arrivals[i].server = server;
        server->arrivals[i].queue = runtime_queue(server->runtime, i);
        server->arrivals[i].tag.run = arrival_tag;
        arm(&server->arrivals[i]);
    }
    return STATUS_OK;
}

void rpc_server_set_serving(struct rpc_server *server, bool serving)
{
    health_set(server->health, serving);
}

unsigned long rpc_server_n_refused(const struct rpc_server *server, enum rpc_quota which)
{
    return quota_n_refused(server->quota, which);
}

// ---- the end

static void shutdown_tag(struct rpc_tag *tag, bool ok)
{
    struct rpc_server *server = container_of(tag, struct rpc_server, shutdown_tag);
    pthread_mutex_lock(&server->lock);
    server->shut_down = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void wait_for_grace(struct rpc_server *server, int64_t grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += grace_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (!server->shut_down && pthread_cond_timedwait(&server->changed, &server->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&server->lock);
}

struct rpc_server *rpc_server_free(struct rpc_server *server, int64_t grace_ms)
{
    if (!server)
        return NULL;
    assert(!runtime_is_queue_thread(server->runtime));
    server_watch_stop(server);
    health_set(server->health, false);
    health_stop(server->health);
    server->shutdown_tag.run = shutdown_tag;
    tag_leaves(&server->shutdown_tag);
    grpc_server_shutdown_and_notify(server->grpc, runtime_queue(server->runtime, 0), &server->shutdown_tag);
    if (grace_ms > 0)
        wait_for_grace(server, grace_ms);
    grpc_server_cancel_all_calls(server->grpc);
    pthread_mutex_lock(&server->lock);
    while (!server->shut_down || server->n_armed > 0 || server->n_calls > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    return server_release(server);
}
