#include "cli/event_stream.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct event_stream {
    struct rpc_call *call;
    enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event, struct error *error);
    void *user;
    struct error error;
    pthread_mutex_t lock; // guards `ended`; all else is the queue thread's until then
    pthread_cond_t changed;
    bool ended;
};

static void stream_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct event_stream *stream = user;
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    enum status status =
        rpc_message_decode(message, cohort_v1_WatchExperimentResponse_fields, &event, &error);
    if (status == STATUS_OK)
        status = stream->event(stream->user, &event, &error);
    if (status != STATUS_OK && stream->error.status == STATUS_OK)
        stream->error = error;
    rpc_call_receive(call);
}

static void stream_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct event_stream *stream = user;
    if (status != STATUS_OK && stream->error.status == STATUS_OK)
        error_set(&stream->error, status, "cannot follow the experiment: %s", message);
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static const struct rpc_events stream_events = {.message = stream_message, .closed = stream_closed};

static enum status fill_request(const struct event_wish *wish, cohort_v1_WatchExperimentRequest *ret,
                                struct error *error)
{
    size_t n = wish->kinds ? wish->kinds->n : 0, most = sizeof ret->kinds / sizeof *ret->kinds;
    if (n > most)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%zu' kinds of events are more than %zu; name fewer", n, most);
    for (size_t i = 0; i < n; i++)
        snprintf(ret->kinds[ret->kinds_count++], sizeof *ret->kinds, "%s", wish->kinds->items[i]);
    snprintf(ret->experiment_id, sizeof ret->experiment_id, "%s", wish->experiment_id);
    ret->cursor = wish->cursor;
    ret->gather_ms = wish->gather_ms;
    return STATUS_OK;
}

enum status event_stream_new(struct event_stream **ret, struct rpc_channel *channel,
                             const struct event_wish *wish,
                             enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event,
                                                  struct error *error),
                             void *user, struct error *error)
{
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    TRY(fill_request(wish, &request, error));
    struct event_stream *stream = memory_zalloc(sizeof *stream);
    if (!stream)
        return error_no_memory(error, sizeof *stream);
    stream->event = event;
    stream->user = user;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->changed, NULL);
    enum status status = rpc_call_start(&stream->call, channel, "/cohort.v1.Coordinator/WatchExperiment", 0,
                                        false, &stream_events, stream, error);
    if (status != STATUS_OK) {
        stream->ended = true;
        event_stream_free(stream);
        return status;
    }
    rpc_call_receive(stream->call);
    if (rpc_call_send(stream->call, cohort_v1_WatchExperimentRequest_fields, &request, NULL) == STATUS_OK)
        rpc_call_end(stream->call);
    *ret = stream; // a failure to send is told by `closed`
    return STATUS_OK;
}

bool event_stream_wait(struct event_stream *stream, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&stream->lock);
    if (!stream->ended)
        pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
    bool ended = stream->ended;
    pthread_mutex_unlock(&stream->lock);
    return ended;
}

enum status event_stream_status(const struct event_stream *stream, struct error *error)
{
    if (stream->error.status != STATUS_OK)
        *error = stream->error;
    return stream->error.status;
}

struct event_stream *event_stream_free(struct event_stream *stream)
{
    if (!stream)
        return NULL;
    if (stream->call)
        rpc_call_cancel(stream->call);
    while (!event_stream_wait(stream, 100))
        ;
    if (stream->call)
        rpc_call_unref(stream->call);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    return memory_free(stream);
}
