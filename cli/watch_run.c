#include "cli/watch_run.h"
#include "base/memory.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PENDING_MAX = 16 };

struct run_watch {
    struct run_watch_options options;
    struct rpc_call *call;
    uint32_t n_selected;
    uint32_t n_ready;
    size_t n_pending; // rounds that wait for their evaluation
    struct round_record pending[PENDING_MAX];
    struct error error;
    pthread_mutex_t lock; // guards `ended`; all else is the queue thread's until then
    pthread_cond_t changed;
    bool ended;
};

// ---- records
// -------------------------------------------------------------------------------------------------------

static void copy_metrics(const cohort_v1_Metric *from, pb_size_t n, struct metric *to, size_t *n_to)
{
    for (pb_size_t i = 0; i < n && *n_to < ARRAY_SIZE(((struct round_record *)0)->metrics); i++) {
        struct metric *metric = &to[(*n_to)++];
        snprintf(metric->name, sizeof metric->name, "%s", from[i].name);
        metric->value = from[i].value;
    }
}

static void keep_error(struct run_watch *watch, enum status status, const struct error *error)
{
    if (status != STATUS_OK && watch->error.status == STATUS_OK)
        watch->error = *error;
}

static void flush_first(struct run_watch *watch)
{
    struct error error = ERROR_INIT;
    keep_error(watch, run_add_round(watch->options.run, &watch->pending[0], &error), &error);
    progress_round(watch->options.progress, &watch->pending[0]);
    watch->n_pending--;
    memmove(&watch->pending[0], &watch->pending[1], watch->n_pending * sizeof watch->pending[0]);
}

static void committed(struct run_watch *watch, const cohort_v1_RoundCommitted *event, int64_t unix_ms)
{
    if (watch->n_pending == PENDING_MAX)
        flush_first(watch);
    struct round_record *record = &watch->pending[watch->n_pending++];
    *record = (struct round_record){.round = event->round,
                                    .seconds = event->seconds,
                                    .n_summaries = event->summaries,
                                    .n_selected = watch->n_selected,
                                    .unix_ms = unix_ms};
    snprintf(record->model_sha256, sizeof record->model_sha256, "%s", event->model_sha256);
    copy_metrics(event->metrics, event->metrics_count, record->metrics, &record->n_metrics);
    if (!watch->options.evaluated)
        flush_first(watch);
}

static void evaluated(struct run_watch *watch, const cohort_v1_RoundEvaluated *event)
{
    while (watch->n_pending && watch->pending[0].round < event->round)
        flush_first(watch);
    if (!watch->n_pending || watch->pending[0].round != event->round)
        return;
    copy_metrics(event->metrics, event->metrics_count, watch->pending[0].metrics,
                 &watch->pending[0].n_metrics);
    flush_first(watch);
}

static void accepted(struct run_watch *watch, const cohort_v1_SummaryAccepted *event)
{
    struct error error = ERROR_INIT;
    struct learner_record record = {.round = event->round,
                                    .learner = event->learner,
                                    .weight = event->weight,
                                    .seconds = event->seconds,
                                    .train_seconds = event->train_seconds,
                                    .fetch_seconds = event->fetch_seconds};
    copy_metrics(event->metrics, event->metrics_count, record.metrics, &record.n_metrics);
    keep_error(watch, run_add_learner(watch->options.run, &record, &error), &error);
    progress_summary(watch->options.progress);
}

static void rejected(struct run_watch *watch, const cohort_v1_SummaryRejected *event)
{
    struct error error = ERROR_INIT;
    const struct learner_record record = {.round = event->round,
                                          .learner = event->learner,
                                          .seconds = NAN,
                                          .train_seconds = NAN,
                                          .fetch_seconds = NAN,
                                          .rejected = event->message};
    keep_error(watch, run_add_learner(watch->options.run, &record, &error), &error);
    progress_note(watch->options.progress, "round %u: %s's summary was rejected: %s", event->round,
                  event->learner, event->message);
}

static void learner_changed(struct run_watch *watch, const cohort_v1_LearnerChanged *event)
{
    watch->n_ready += event->state == cohort_v1_LearnerState_LEARNER_STATE_READY;
    if (watch->n_ready == watch->options.n_learners && !watch->n_selected)
        progress_note(watch->options.progress, "%u learner%s ready", watch->n_ready,
                      watch->n_ready == 1 ? "" : "s");
    if (*event->message)
        progress_note(watch->options.progress, "%s: %s", event->learner, event->message);
}

static void handle(struct run_watch *watch, const cohort_v1_WatchExperimentResponse *event)
{
    switch (event->which_event) {
    case cohort_v1_WatchExperimentResponse_round_started_tag:
        watch->n_selected = event->event.round_started.selected;
        progress_round_started(watch->options.progress, event->event.round_started.round, watch->n_selected);
        break;
    case cohort_v1_WatchExperimentResponse_round_committed_tag:
        committed(watch, &event->event.round_committed, event->unix_ms);
        break;
    case cohort_v1_WatchExperimentResponse_round_evaluated_tag:
        evaluated(watch, &event->event.round_evaluated);
        break;
    case cohort_v1_WatchExperimentResponse_summary_accepted_tag:
        accepted(watch, &event->event.summary_accepted);
        break;
    case cohort_v1_WatchExperimentResponse_summary_rejected_tag:
        rejected(watch, &event->event.summary_rejected);
        break;
    case cohort_v1_WatchExperimentResponse_learner_changed_tag:
        learner_changed(watch, &event->event.learner_changed);
        break;
    default:
        break;
    }
}

// ---- the stream
// ----------------------------------------------------------------------------------------------------

static void watch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct run_watch *watch = user;
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    enum status status =
        rpc_message_decode(message, cohort_v1_WatchExperimentResponse_fields, &event, &error);
    keep_error(watch, status, &error);
    if (status == STATUS_OK)
        handle(watch, &event);
    rpc_call_receive(call);
}

static void watch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct run_watch *watch = user;
    struct error error = {.status = status};
    snprintf(error.message, sizeof error.message, "the coordinator ended the stream of events: %s", message);
    while (watch->n_pending)
        flush_first(watch);
    keep_error(watch, status, &error);
    pthread_mutex_lock(&watch->lock);
    watch->ended = true;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

static const struct rpc_events watch_events = {.message = watch_message, .closed = watch_closed};

enum status run_watch_new(struct run_watch **ret, const struct run_watch_options *options,
                          struct error *error)
{
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    struct run_watch *watch = memory_zalloc(sizeof *watch);
    if (!watch)
        return error_no_memory(error, sizeof *watch);
    watch->options = *options;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", options->experiment_id);
    enum status status =
        rpc_call_start(&watch->call, options->channel, "/cohort.v1.Coordinator/WatchExperiment", 0, false,
                       &watch_events, watch, error);
    if (status != STATUS_OK) {
        memory_free(watch);
        return status;
    }
    rpc_call_receive(watch->call);
    if (rpc_call_send(watch->call, cohort_v1_WatchExperimentRequest_fields, &request, NULL) == STATUS_OK)
        rpc_call_end(watch->call);
    *ret = watch; // a failure to send is told by `closed`
    return STATUS_OK;
}

bool run_watch_wait(struct run_watch *watch, int ms)
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

enum status run_watch_status(struct run_watch *watch, struct error *error)
{
    if (watch->error.status != STATUS_OK)
        *error = watch->error;
    return watch->error.status;
}

struct run_watch *run_watch_free(struct run_watch *watch)
{
    if (!watch)
        return NULL;
    rpc_call_cancel(watch->call);
    while (!run_watch_wait(watch, 100))
        ;
    rpc_call_unref(watch->call);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    return memory_free(watch);
}
