// grpc.health.v1.Health, and the question to another server's.
#include "base/memory.h"
#include "grpc/health/v1/health.pb.h"
#include "rpc/rpc_impl.h"
#include <string.h>

struct watcher {
    struct rpc_call *call; // a reference
    struct health *health;
    bool known; // the service it asked for is one of ours
    bool asked;
    struct watcher *next;
};

struct health {
    const struct rpc_service *services;
    size_t n_services;
    pthread_mutex_t lock; // guards what follows; never held while a call is told
    bool serving;
    bool stopped;
    struct watcher *watchers;
};

enum status health_new(struct health **ret, const struct rpc_service *services, size_t n_services,
                       struct error *error)
{
    struct health *health = memory_zalloc(sizeof *health);
    if (!health)
        return error_no_memory(error, sizeof *health);
    *health = (struct health){.services = services, .n_services = n_services, .serving = true};
    pthread_mutex_init(&health->lock, NULL);
    *ret = health;
    return STATUS_OK;
}

struct health *health_free(struct health *health)
{
    if (!health)
        return NULL;
    pthread_mutex_destroy(&health->lock);
    return memory_free(health);
}

static bool is_known(const struct health *health, const char *service)
{
    if (!*service)
        return true;
    for (size_t i = 0; i < health->n_services; i++)
        if (strcmp(health->services[i].name, service) == 0)
            return true;
    return false;
}

static grpc_health_v1_HealthCheckResponse response_of(bool known, bool serving)
{
    grpc_health_v1_HealthCheckResponse response = grpc_health_v1_HealthCheckResponse_init_zero;
    response.status = !known    ? grpc_health_v1_HealthCheckResponse_ServingStatus_SERVICE_UNKNOWN
                      : serving ? grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING
                                : grpc_health_v1_HealthCheckResponse_ServingStatus_NOT_SERVING;
    return response;
}

static bool is_serving(struct health *health)
{
    pthread_mutex_lock(&health->lock);
    bool serving = health->serving;
    pthread_mutex_unlock(&health->lock);
    return serving;
}

static void check(struct rpc_call *call, void *service, const void *request)
{
    struct health *health = service;
    const grpc_health_v1_HealthCheckRequest *asked = request;
    if (!is_known(health, asked->service)) {
        struct error error;
        error_set(&error, STATUS_NOT_FOUND, "there is no service '%s' here; '' asks for the whole server",
                  asked->service);
        rpc_call_fail(call, &error);
        return;
    }
    grpc_health_v1_HealthCheckResponse response = response_of(true, is_serving(health));
    rpc_call_reply(call, grpc_health_v1_HealthCheckResponse_fields, &response);
}

// ---- watching

static void tell(struct rpc_call *call, bool known, bool serving)
{
    grpc_health_v1_HealthCheckResponse response = response_of(known, serving);
    // A watcher that reads so slowly loses news, and learns the latest when it asks again.
    if (rpc_call_send(call, grpc_health_v1_HealthCheckResponse_fields, &response, NULL) ==
        STATUS_RESOURCE_EXHAUSTED)
        rpc_call_cancel(call);
}

static void watch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watcher *watcher = user;
    struct health *health = watcher->health;
    grpc_health_v1_HealthCheckRequest asked;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, grpc_health_v1_HealthCheckRequest_fields, &asked, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    pthread_mutex_lock(&health->lock);
    watcher->known = is_known(health, asked.service);
    watcher->asked = true;
    bool serving = health->serving;
    bool stopped = health->stopped;
    pthread_mutex_unlock(&health->lock);
    tell(call, watcher->known, serving);
    if (stopped)
        rpc_call_finish(call, STATUS_UNAVAILABLE, "the server is stopping");
}

static void watch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct watcher *watcher = user;
    struct health *health = watcher->health;
    pthread_mutex_lock(&health->lock);
    struct watcher **link = &health->watchers;
    while (*link != watcher)
        link = &(*link)->next;
    *link = watcher->next;
    pthread_mutex_unlock(&health->lock);
    memory_free(watcher);
}

static void watch(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {.message = watch_message, .closed = watch_closed};
    struct health *health = service;
    struct watcher *watcher = memory_zalloc(sizeof *watcher);
    if (!watcher) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    watcher->call = call;
    watcher->health = health;
    pthread_mutex_lock(&health->lock);
    watcher->next = health->watchers;
    health->watchers = watcher;
    pthread_mutex_unlock(&health->lock);
    rpc_call_set_events(call, &events, watcher);
    rpc_call_receive(call);
}

// The watching calls, referenced, as an array closed by NULL; NULL when there are none (or no memory).
static struct rpc_call **snapshot(struct health *health, bool with_all)
{
    size_t n = 0;
    for (struct watcher *watcher = health->watchers; watcher; watcher = watcher->next)
        n += with_all || (watcher->asked && watcher->known);
    struct rpc_call **calls = n ? memory_array(n + 1, sizeof *calls) : NULL;
    if (!calls)
        return NULL;
    n = 0;
    for (struct watcher *watcher = health->watchers; watcher; watcher = watcher->next)
        if (with_all || (watcher->asked && watcher->known))
            calls[n++] = rpc_call_ref(watcher->call);
    return calls;
}

void health_set(struct health *health, bool serving)
{
    pthread_mutex_lock(&health->lock);
    cleanup_free struct rpc_call **calls = health->serving == serving ? NULL : snapshot(health, false);
    health->serving = serving;
    pthread_mutex_unlock(&health->lock);
    for (struct rpc_call **call = calls; call && *call; call++) {
        tell(*call, true, serving);
        rpc_call_unref(*call);
    }
}

void health_stop(struct health *health)
{
    pthread_mutex_lock(&health->lock);
    health->stopped = true;
    cleanup_free struct rpc_call **calls = snapshot(health, true);
    pthread_mutex_unlock(&health->lock);
    for (struct rpc_call **call = calls; call && *call; call++) {
        rpc_call_finish(*call, STATUS_UNAVAILABLE, "the server is stopping");
        rpc_call_unref(*call);
    }
}

const struct rpc_method health_methods[] = {
    {.path = "/grpc.health.v1.Health/Check",
     .request_fields = grpc_health_v1_HealthCheckRequest_fields,
     .request_bytes = sizeof(grpc_health_v1_HealthCheckRequest),
     .unary = check},
    {.path = "/grpc.health.v1.Health/Watch", .open = watch},
    {0},
};

// ---- asking

static enum status ask(struct rpc_channel *channel, const char *address, const char *service,
                       int64_t timeout_ms, struct error *error)
{
    grpc_health_v1_HealthCheckRequest request = grpc_health_v1_HealthCheckRequest_init_zero;
    grpc_health_v1_HealthCheckResponse response = grpc_health_v1_HealthCheckResponse_init_zero;
    if (strlen(service) >= sizeof request.service)
        return error_set(error, STATUS_INVALID_ARGUMENT, "service name '%s' is too long", service);
    memcpy(request.service, service, strlen(service) + 1);
    TRY(rpc_unary(channel, "/grpc.health.v1.Health/Check", timeout_ms,
                  grpc_health_v1_HealthCheckRequest_fields, &request,
                  grpc_health_v1_HealthCheckResponse_fields, &response, error));
    if (response.status != grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING)
        return error_set(error, STATUS_UNAVAILABLE,
                         "'%s' at '%s' runs but is not serving; wait, or look into its log", service,
                         address);
    return STATUS_OK;
}

enum status rpc_health_check(struct rpc_runtime *runtime, const char *address, const char *service,
                             int64_t timeout_ms, struct error *error)
{
    struct rpc_channel *channel;
    TRY(rpc_channel_new(&channel, runtime, address, error));
    enum status status = ask(channel, address, service, timeout_ms, error);
    rpc_channel_free(channel);
    return status;
}
