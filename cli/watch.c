#include "cli/watch.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct watch {
    struct rpc_call *call;
    enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event, struct error *error);
    void *user;
    struct error error;
    pthread_mutex_t lock; // guards `ended`; all else is the queue thread's until then
    pthread_cond_t changed;
    bool ended;
};

static void watch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watch *watch = user;
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    enum status status =
        rpc_message_decode(message, cohort_v1_WatchExperimentResponse_fields, &event, &error);
    if (status == STATUS_OK)
        status = watch->event(watch->user, &event, &error);
    if (status != STATUS_OK && watch->error.status == STATUS_OK)
        watch->error = error;
    rpc_call_receive(call);
}

static void watch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct watch *watch = user;
    if (status != STATUS_OK && watch->error.status == STATUS_OK)
        error_set(&watch->error, status, "the coordinator ended the stream of events: %s", message);
    pthread_mutex_lock(&watch->lock);
    watch->ended = true;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

static const struct rpc_events watch_events = {.message = watch_message, .closed = watch_closed};

enum status watch_new(struct watch **ret, struct rpc_channel *channel, const char *experiment_id,
                      enum status (*event)(void *user, const cohort_v1_WatchExperimentResponse *event,
                                           struct error *error),
                      void *user, struct error *error)
{
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    struct watch *watch = memory_zalloc(sizeof *watch);
    if (!watch)
        return error_no_memory(error, sizeof *watch);
    watch->event = event;
    watch->user = user;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", experiment_id);
    enum status status = rpc_call_start(&watch->call, channel, "/cohort.v1.Coordinator/WatchExperiment", 0,
                                        false, &watch_events, watch, error);
    if (status != STATUS_OK) {
        watch->ended = true;
        watch_free(watch);
        return status;
    }
    rpc_call_receive(watch->call);
    if (rpc_call_send(watch->call, cohort_v1_WatchExperimentRequest_fields, &request, NULL) == STATUS_OK)
        rpc_call_end(watch->call);
    *ret = watch; // a failure to send is told by `closed`
    return STATUS_OK;
}

bool watch_wait(struct watch *watch, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&watch->lock);
    if (!watch->ended)
        pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
    bool ended = watch->ended;
    pthread_mutex_unlock(&watch->lock);
    return ended;
}

enum status watch_status(const struct watch *watch, struct error *error)
{
    if (watch->error.status != STATUS_OK)
        *error = watch->error;
    return watch->error.status;
}

struct watch *watch_free(struct watch *watch)
{
    if (!watch)
        return NULL;
    if (watch->call)
        rpc_call_cancel(watch->call);
    while (!watch_wait(watch, 100))
        ;
    if (watch->call)
        rpc_call_unref(watch->call);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    return memory_free(watch);
}
