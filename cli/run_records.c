#include "cli/run_records.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PENDING_MAX = 16 };

struct run_records {
    struct run_records_options options;
    uint32_t n_selected;
    uint32_t n_ready;
    size_t n_pending; // rounds that wait for their evaluation
    struct round_record pending[PENDING_MAX];
};

// ---- records --------------------------------------------------------------------------------------------

static void copy_metrics(const cohort_v1_Metric *from, pb_size_t n, struct metric *to, size_t *n_to)
{
    for (pb_size_t i = 0; i < n && *n_to < ARRAY_SIZE(((struct round_record *)0)->metrics); i++) {
        struct metric *metric = &to[(*n_to)++];
        snprintf(metric->name, sizeof metric->name, "%s", from[i].name);
        metric->value = from[i].value;
    }
}

static enum status flush_first(struct run_records *records, struct error *error)
{
    struct round_record first = records->pending[0];
    records->n_pending--;
    memmove(&records->pending[0], &records->pending[1], records->n_pending * sizeof records->pending[0]);
    progress_round(records->options.progress, &first);
    return run_add_round(records->options.run, &first, error);
}

static enum status committed(struct run_records *records, const cohort_v1_RoundCommitted *event,
                             int64_t unix_ms, struct error *error)
{
    if (records->n_pending == PENDING_MAX)
        TRY(flush_first(records, error));
    struct round_record *record = &records->pending[records->n_pending++];
    *record = (struct round_record){.round = event->round,
                                    .seconds = event->seconds,
                                    .n_summaries = event->summaries,
                                    .n_selected = records->n_selected,
                                    .unix_ms = unix_ms};
    snprintf(record->model_sha256, sizeof record->model_sha256, "%s", event->model_sha256);
    copy_metrics(event->metrics, event->metrics_count, record->metrics, &record->n_metrics);
    return records->options.evaluated ? STATUS_OK : flush_first(records, error);
}

static enum status evaluated(struct run_records *records, const cohort_v1_RoundEvaluated *event,
                             struct error *error)
{
    while (records->n_pending && records->pending[0].round < event->round)
        TRY(flush_first(records, error));
    if (!records->n_pending || records->pending[0].round != event->round)
        return STATUS_OK;
    copy_metrics(event->metrics, event->metrics_count, records->pending[0].metrics,
                 &records->pending[0].n_metrics);
    return flush_first(records, error);
}

static enum status accepted(struct run_records *records, const cohort_v1_SummaryAccepted *event,
                            struct error *error)
{
    struct learner_record record = {.round = event->round,
                                    .learner = event->learner,
                                    .weight = event->weight,
                                    .seconds = event->seconds,
                                    .train_seconds = event->train_seconds,
                                    .fetch_seconds = event->fetch_seconds,
                                    .staleness = event->staleness};
    copy_metrics(event->metrics, event->metrics_count, record.metrics, &record.n_metrics);
    progress_summary(records->options.progress);
    return run_add_learner(records->options.run, &record, error);
}

static enum status learner_evaluated(struct run_records *records, const cohort_v1_LearnerEvaluated *event,
                                     struct error *error)
{
    struct evaluation_record record = {
        .round = event->round, .learner = event->learner, .n_samples = event->n_samples};
    copy_metrics(event->metrics, event->metrics_count, record.metrics, &record.n_metrics);
    return run_add_evaluation(records->options.run, &record, error);
}

static enum status rejected(struct run_records *records, const cohort_v1_SummaryRejected *event,
                            struct error *error)
{
    const struct learner_record record = {.round = event->round,
                                          .learner = event->learner,
                                          .seconds = NAN,
                                          .train_seconds = NAN,
                                          .fetch_seconds = NAN,
                                          .rejected = event->message};
    progress_note(records->options.progress, "round %u: %s's summary was rejected: %s", event->round,
                  event->learner, event->message);
    return run_add_learner(records->options.run, &record, error);
}

static void learner_changed(struct run_records *records, const cohort_v1_LearnerChanged *event)
{
    records->n_ready += event->state == cohort_v1_LearnerState_LEARNER_STATE_READY;
    if (records->n_ready == records->options.n_learners && !records->n_selected)
        progress_note(records->options.progress, "%u learner%s ready", records->n_ready,
                      records->n_ready == 1 ? "" : "s");
    if (*event->message)
        progress_note(records->options.progress, "%s: %s", event->learner, event->message);
}

enum status run_records_event(void *user, const cohort_v1_WatchExperimentResponse *event, struct error *error)
{
    struct run_records *records = user;
    TRY(run_chain_event(records->options.chain, event, error));
    switch (event->which_event) {
    case cohort_v1_WatchExperimentResponse_round_started_tag:
        records->n_selected = event->event.round_started.selected;
        progress_round_started(records->options.progress, event->event.round_started.round,
                               records->n_selected);
        return STATUS_OK;
    case cohort_v1_WatchExperimentResponse_round_committed_tag:
        return committed(records, &event->event.round_committed, event->unix_ms, error);
    case cohort_v1_WatchExperimentResponse_round_evaluated_tag:
        return evaluated(records, &event->event.round_evaluated, error);
    case cohort_v1_WatchExperimentResponse_summary_accepted_tag:
        return accepted(records, &event->event.summary_accepted, error);
    case cohort_v1_WatchExperimentResponse_learner_evaluated_tag:
        return learner_evaluated(records, &event->event.learner_evaluated, error);
    case cohort_v1_WatchExperimentResponse_summary_rejected_tag:
        return rejected(records, &event->event.summary_rejected, error);
    case cohort_v1_WatchExperimentResponse_learner_changed_tag:
        learner_changed(records, &event->event.learner_changed);
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

enum status run_records_new(struct run_records **ret, const struct run_records_options *options,
                            struct error *error)
{
    struct run_records *records = memory_zalloc(sizeof *records);
    if (!records)
        return error_no_memory(error, sizeof *records);
    records->options = *options;
    *ret = records;
    return STATUS_OK;
}

enum status run_records_flush(struct run_records *records, struct error *error)
{
    while (records->n_pending)
        TRY(flush_first(records, error));
    return STATUS_OK;
}

struct run_records *run_records_free(struct run_records *records)
{
    return memory_free(records);
}
