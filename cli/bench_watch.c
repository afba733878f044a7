#include "cli/bench_watch.h"
#include "base/memory.h"
#include "cohort/v1/coordinator.pb.h"
#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct bench_watch {
    struct rpc_call *call;
    struct history *history;
    struct error error;
    pthread_mutex_t lock; // guards `ended`; all else is the queue thread's until then
    pthread_cond_t changed;
    bool ended;
};

static enum status add(struct bench_watch *watch, const cohort_v1_WatchExperimentResponse *event,
                       struct error *error)
{
    if (event->which_event == cohort_v1_WatchExperimentResponse_events_lost_tag)
        return error_set(error, STATUS_DATA_LOSS,
                         "rounds were forgotten before they could be read; measure fewer of them");
    if (event->which_event != cohort_v1_WatchExperimentResponse_round_committed_tag)
        return STATUS_OK;
    const cohort_v1_RoundCommitted *committed = &event->event.round_committed;
    const struct round_record record = {
        .round = committed->round, .seconds = committed->seconds, .n_summaries = committed->summaries};
    return history_add_round(watch->history, &record, error);
}

static void watch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct bench_watch *watch = user;
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    enum status status =
        rpc_message_decode(message, cohort_v1_WatchExperimentResponse_fields, &event, &error);
    if (status == STATUS_OK)
        status = add(watch, &event, &error);
    if (status != STATUS_OK && watch->error.status == STATUS_OK)
        watch->error = error;
    rpc_call_receive(call);
}

static void watch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    (void)call;
    struct bench_watch *watch = user;
    if (status != STATUS_OK && watch->error.status == STATUS_OK)
        error_set(&watch->error, status, "the coordinator ended the stream of events: %s", message);
    pthread_mutex_lock(&watch->lock);
    watch->ended = true;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

static const struct rpc_events watch_events = {.message = watch_message, .closed = watch_closed};

enum status bench_watch_new(struct bench_watch **ret, struct rpc_channel *channel, const char *experiment_id,
                            struct history *history, struct error *error)
{
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    struct bench_watch *watch = memory_zalloc(sizeof *watch);
    if (!watch)
        return error_no_memory(error, sizeof *watch);
    watch->history = history;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", experiment_id);
    enum status status = rpc_call_start(&watch->call, channel, "/cohort.v1.Coordinator/WatchExperiment", 0,
                                        false, &watch_events, watch, error);
    if (status != STATUS_OK) {
        memory_free(watch);
        return status;
    }
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    rpc_call_receive(watch->call);
    if (rpc_call_send(watch->call, cohort_v1_WatchExperimentRequest_fields, &request, NULL) == STATUS_OK)
        rpc_call_end(watch->call);
    *ret = watch; // a failure to send is told by `closed`
    return STATUS_OK;
}

bool bench_watch_wait(struct bench_watch *watch, int ms)
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

enum status bench_watch_status(struct bench_watch *watch, struct error *error)
{
    if (watch->error.status != STATUS_OK)
        *error = watch->error;
    return watch->error.status;
}

struct bench_watch *bench_watch_free(struct bench_watch *watch)
{
    if (!watch)
        return NULL;
    rpc_call_cancel(watch->call);
    while (!bench_watch_wait(watch, 100))
        ;
    rpc_call_unref(watch->call);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    return memory_free(watch);
}
