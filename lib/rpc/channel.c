// A client's connection, and the words for what may go wrong with it.
#include "base/memory.h"
#include "rpc/channel_arguments.h"
#include "rpc/guard.h"
#include "rpc/rpc_impl.h"
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <string.h>

struct rpc_channel {
    atomic_size_t refs;
    struct rpc_runtime *runtime;
    grpc_channel *grpc;
    char *address;

    struct rpc_tag state_tag; // the watch over the connection's state: one at a time, with a reference
    pthread_mutex_t lock;     // guards what follows, and `grpc` against its end while the watch uses it
    bool closed;
};

void channel_ref(struct rpc_channel *channel)
{
    atomic_fetch_add_explicit(&channel->refs, 1, memory_order_relaxed);
}

void channel_unref(struct rpc_channel *channel)
{
    if (atomic_fetch_sub_explicit(&channel->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&channel->lock);
    memory_free(channel->address);
    memory_free(channel);
}

const char *channel_address(const struct rpc_channel *channel)
{
    return channel->address;
}

const char *channel_token(const struct rpc_channel *channel)
{
    const struct security *security = runtime_security(channel->runtime);
    return security ? security->token : NULL;
}

struct rpc_runtime *channel_runtime(const struct rpc_channel *channel)
{
    return channel->runtime;
}

static grpc_channel *connect_later(const struct rpc_runtime *runtime, const char *target)
{
    struct security *security = runtime_security(runtime);
    const char *name = security ? security->options.name : NULL;
    grpc_arg args[] = {
        CHANNEL_ARGUMENTS_SHARED(runtime),
        // Each channel has its own connection, which goes when it goes.
        INTEGER_ARGUMENT(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        INTEGER_ARGUMENT(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        INTEGER_ARGUMENT(GRPC_ARG_ENABLE_RETRIES, 0), // the application resumes; gRPC would hold copies
        INTEGER_ARGUMENT(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        INTEGER_ARGUMENT(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX),
        INTEGER_ARGUMENT(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        INTEGER_ARGUMENT(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MAX_MS),
        INTEGER_ARGUMENT(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS),
        // A coordinator that moves to another machine is looked up again at once.
        INTEGER_ARGUMENT(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, BACKOFF_MAX_MS / 2),
        {.type = GRPC_ARG_STRING,
         .key = (char[]){GRPC_SSL_TARGET_NAME_OVERRIDE_ARG},
         .value.string = (char *)(uintptr_t)name},
    };
    grpc_channel_args all = {.num_args = ARRAY_SIZE(args) - !name, .args = args};
    grpc_channel_credentials *credentials = credentials_for_channel(security);
    grpc_channel *channel = grpc_channel_create(target, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static gpr_timespec deadline_after(int64_t timeout_ms)
{
    if (timeout_ms <= 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

// ---- a name that does not resolve yet --------------------------------------------------------------------
// gRPC asks for it again after 1 s, then longer, up to 120 s, and no argument bounds that; a pod that starts
// before the service that it dials would join minutes late. So when nothing has changed for a while after a
// failure, it is told to start over: often while the name has never resolved, seldom once it has, since that
// begins the pauses between refused connections anew too.

static bool has_resolved(const struct rpc_channel *channel)
{
    char *policy = NULL; // of the first resolution
    grpc_channel_info info = {.lb_policy_name = &policy};
    grpc_channel_get_info(channel->grpc, &info);
    bool resolved = policy && *policy;
    gpr_free(policy);
    return resolved;
}

static void watch_state(struct rpc_channel *channel)
{
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->grpc, 0);
    gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE)
        until = deadline_after(has_resolved(channel) ? RENEW_SELDOM_MS : RENEW_MS);
    tag_leaves(&channel->state_tag);
    grpc_channel_watch_connectivity_state(channel->grpc, state, until, runtime_next_queue(channel->runtime),
                                          &channel->state_tag);
}

static void state_watched(struct rpc_tag *tag, bool changed)
{
    struct rpc_channel *channel = container_of(tag, struct rpc_channel, state_tag);
    pthread_mutex_lock(&channel->lock);
    bool closed = channel->closed;
    if (!closed && !changed)
        grpc_channel_reset_connect_backoff(channel->grpc);
    if (!closed)
        watch_state(channel);
    pthread_mutex_unlock(&channel->lock);
    if (closed)
        channel_unref(channel);
}

static void watch_begin(struct rpc_channel *channel)
{
    channel->state_tag.run = state_watched;
    if (!grpc_channel_support_connectivity_watcher(channel->grpc))
        return; // one that never connects
    channel_ref(channel);
    watch_state(channel);
}

enum status rpc_channel_new(struct rpc_channel **ret, struct rpc_runtime *runtime, const char *address,
                            struct error *error)
{
    cleanup_free char *target = NULL;
    TRY(address_target(&target, address, error));
    struct rpc_channel *channel = memory_zalloc(sizeof *channel);
    char *copy = memory_copy_text(address);
    if (!channel || !copy) {
        memory_free(channel);
        memory_free(copy);
        return error_no_memory(error, sizeof *channel);
    }
    atomic_init(&channel->refs, 1);
    pthread_mutex_init(&channel->lock, NULL);
    channel->runtime = runtime;
    channel->address = copy;
    channel->grpc = connect_later(runtime, target);
    watch_begin(channel);
    *ret = channel;
    return STATUS_OK;
}

struct rpc_channel *rpc_channel_free(struct rpc_channel *channel)
{
    if (!channel)
        return NULL;
    pthread_mutex_lock(&channel->lock);
    channel->closed = true;
    pthread_mutex_unlock(&channel->lock);
    grpc_channel_destroy(channel->grpc);
    channel->grpc = NULL;
    channel_unref(channel);
    return NULL;
}

enum status rpc_call_start(struct rpc_call **ret, struct rpc_channel *channel, const char *path,
                           int64_t timeout_ms, bool wait, const struct rpc_events *events, void *user,
                           struct error *error)
{
    grpc_slice method = grpc_slice_from_copied_string(path);
    grpc_call *grpc = grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               runtime_next_queue(channel->runtime), method, NULL,
                                               deadline_after(timeout_ms), NULL);
    grpc_slice_unref(method);
    struct rpc_call *call = call_new(&(struct call_start){
        .grpc = grpc,
        .events = events,
        .user = user,
        .channel = channel,
        .timeout_ms = timeout_ms,
        .path = path,
        .wait = wait,
    });
    if (!call) {
        grpc_call_unref(grpc);
        return error_no_memory(error, sizeof(void *));
    }
    *ret = call;
    call_begin(call);
    return STATUS_OK;
}

static bool starts_with_any(const char *text, const char *const *beginnings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

// What gRPC found at the end of a chain of causes: "...: Connection refused".
static const char *last_cause(const char *details)
{
    const char *last = details;
    for (const char *colon = details; (colon = strstr(colon, ": ")); colon += 2)
        if (colon[2])
            last = colon + 2;
    return last;
}

// gRPC marks its own failures by words alone; a server's words are passed on as they are.
char *channel_explain(const struct rpc_channel *channel, enum status status, const char *path,
                      int64_t timeout_ms, const char *details)
{
    static const char *const never_there[] = {"failed to connect", "connections to all backends",
                                              "DNS resolution",    "empty address list",
                                              "No address",        "Failed to connect"};
    static const char *const gone[] = {
        "Socket closed",        "Connection reset",    "Broken pipe", "keepalive watchdog",
        "GOAWAY received",      "Transport closed",    "recvmsg",     "sendmsg",
        "Endpoint read failed", "Cancelling all calls"};
    if (status == STATUS_DEADLINE_EXCEEDED && strcmp(details, "Deadline Exceeded") == 0)
        return memory_format("'%s' at '%s' did not answer within %lld ms; is the coordinator running?", path,
                             channel->address, (long long)timeout_ms);
    if (status == STATUS_CANCELLED &&
        (strcmp(details, "CANCELLED") == 0 || strcmp(details, "Cancelled") == 0))
        return memory_copy_text("the call was cancelled");
    if (status == STATUS_UNAVAILABLE && starts_with_any(details, never_there, ARRAY_SIZE(never_there)))
        return memory_format("no server at '%s' (%s); is the coordinator running?", channel->address,
                             last_cause(details));
    if (status == STATUS_UNAVAILABLE && starts_with_any(details, gone, ARRAY_SIZE(gone)))
        return memory_format("the server at '%s' went away (%s); was it stopped?", channel->address, details);
    return memory_copy_text(details);
}
