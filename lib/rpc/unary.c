// One request, one response, waited for.
#include "base/memory.h"
#include "rpc/rpc_impl.h"
#include <pb_decode.h>

struct unary {
    const pb_msgdesc_t *fields;
    void *response;
    bool decoded;
    struct error error; // of decoding
    pthread_mutex_t lock;
    pthread_cond_t over_changed;
    bool over;
    struct error *ret_error;
    enum status status;
};

static void unary_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct unary *unary = user;
    unary->decoded = rpc_message_decode(message, unary->fields, unary->response, &unary->error) == STATUS_OK;
}

static enum status unary_status(struct unary *unary, enum status status, const char *message)
{
    if (status == STATUS_OK && unary->decoded)
        return STATUS_OK;
    if (unary->decoded)
        pb_release(unary->fields, unary->response);
    if (status != STATUS_OK)
        return error_set(unary->ret_error, status, "%s", message);
    if (unary->error.status != STATUS_OK)
        return error_set(unary->ret_error, STATUS_INTERNAL, "%s", unary->error.message);
    return error_set(unary->ret_error, STATUS_INTERNAL, "the server said OK without an answer");
}

static void unary_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct unary *unary = user;
    enum status result = unary_status(unary, status, message);
    pthread_mutex_lock(&unary->lock);
    unary->status = result;
    unary->over = true;
    pthread_cond_signal(&unary->over_changed);
    pthread_mutex_unlock(&unary->lock);
}

static enum status unary_wait(struct unary *unary)
{
    pthread_mutex_lock(&unary->lock);
    while (!unary->over)
        pthread_cond_wait(&unary->over_changed, &unary->lock);
    pthread_mutex_unlock(&unary->lock);
    return unary->status;
}

static enum status exchange(struct unary *unary, struct rpc_channel *channel, const char *path,
                            int64_t timeout_ms, const pb_msgdesc_t *request_fields, const void *request)
{
    static const struct rpc_events events = {.message = unary_message, .closed = unary_closed};
    struct rpc_call *call;
    TRY(rpc_call_start(&call, channel, path, timeout_ms, false, &events, unary, unary->ret_error));
    struct error error = ERROR_INIT;
    enum status status = call_send_last(call, request_fields, request, &error);
    if (status == STATUS_OK)
        rpc_call_receive(call);
    else
        rpc_call_cancel(call);
    enum status result = unary_wait(unary);
    rpc_call_unref(call);
    if (status != STATUS_OK && result != STATUS_DEADLINE_EXCEEDED)
        return error_set(unary->ret_error, status, "%s", error.message);
    return result;
}

enum status rpc_unary(struct rpc_channel *channel, const char *path, int64_t timeout_ms,
                      const pb_msgdesc_t *request_fields, const void *request,
                      const pb_msgdesc_t *response_fields, void *response, struct error *error)
{
    if (runtime_is_queue_thread(channel_runtime(channel)))
        return error_set(error, STATUS_INTERNAL, "'%s' is waited for on a queue's thread; use rpc_call_start",
                         path);
    struct unary unary = {.fields = response_fields, .response = response, .ret_error = error};
    pthread_mutex_init(&unary.lock, NULL);
    pthread_cond_init(&unary.over_changed, NULL);
    enum status status = exchange(&unary, channel, path, timeout_ms, request_fields, request);
    pthread_mutex_destroy(&unary.lock);
    pthread_cond_destroy(&unary.over_changed);
    return status;
}
