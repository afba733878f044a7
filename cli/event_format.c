#include "cli/event_format.h"
#include "base/memory.h"
#include "report/human.h"
#include "report/json.h"
#include <inttypes.h>

// ---- names ----------------------------------------------------------------------------------------------

#define NAME(names, i) ((size_t)(i) < ARRAY_SIZE(names) && (names)[i] ? (names)[i] : "unknown")

const char *event_experiment_state(cohort_v1_ExperimentState state)
{
    static const char *const names[] = {NULL,        "waiting", "running",  "paused",
                                        "completed", "failed",  "cancelled"};
    return NAME(names, state);
}

const char *event_learner_state(cohort_v1_LearnerState state)
{
    static const char *const names[] = {NULL,        "joined", "enrolled", "ready",  "training",
                                        "uploading", "lost",   "left",     "removed"};
    return NAME(names, state);
}

const char *event_reason(cohort_v1_Reason reason)
{
    static const char *const names[] = {
        NULL,           "unknown_experiment", "unknown_learner", "unknown_round", "wrong_round",
        "not_selected", "wrong_size",         "not_finite",      "out_of_range",  "damaged",
        "superseded",   "incompatible",       "bad_experiment",  "wrong_state",   "learner_failed",
        "removed",      "too_large",          "oversized_norm",  "stale",
    };
    return NAME(names, reason);
}

// ---- for people -----------------------------------------------------------------------------------------

static void text_metrics(struct bytes *ret, const cohort_v1_Metric *metrics, pb_size_t n)
{
    char value[HUMAN_BYTES];
    for (pb_size_t i = 0; i < n; i++)
        bytes_format(ret, ", %s %s", metrics[i].name, human_metric(metrics[i].value, value));
}

static void text_message(struct bytes *ret, const char *message)
{
    bytes_format(ret, "%s%s\n", *message ? ": " : "", message);
}

static void text_committed(const cohort_v1_RoundCommitted *it, struct bytes *ret)
{
    char seconds[HUMAN_BYTES];
    bytes_format(ret, "round %" PRIu32 " committed in %s: %" PRIu32 " summar%s", it->round,
                 human_seconds(it->seconds, seconds), it->summaries, it->summaries == 1 ? "y" : "ies");
    text_metrics(ret, it->metrics, it->metrics_count);
    bytes_format(ret, ", model %.12s\n", it->model_sha256);
}

static void text_accepted(const cohort_v1_SummaryAccepted *it, struct bytes *ret)
{
    char seconds[HUMAN_BYTES];
    bytes_format(ret, "round %" PRIu32 ": %s sent its summary after %s", it->round, it->learner,
                 human_seconds(it->seconds, seconds));
    text_metrics(ret, it->metrics, it->metrics_count);
    bytes_text(ret, "\n");
}

void event_text(const cohort_v1_WatchExperimentResponse *event, struct bytes *ret)
{
    switch (event->which_event) {
    case cohort_v1_WatchExperimentResponse_state_changed_tag:
        bytes_format(ret, "the experiment is %s", event_experiment_state(event->event.state_changed.state));
        text_message(ret, event->event.state_changed.message);
        break;
    case cohort_v1_WatchExperimentResponse_round_started_tag:
        bytes_format(ret, "round %" PRIu32 " started with %" PRIu32 " learner%s\n",
                     event->event.round_started.round, event->event.round_started.selected,
                     event->event.round_started.selected == 1 ? "" : "s");
        break;
    case cohort_v1_WatchExperimentResponse_round_committed_tag:
        text_committed(&event->event.round_committed, ret);
        break;
    case cohort_v1_WatchExperimentResponse_round_evaluated_tag:
        bytes_format(ret, "round %" PRIu32 " evaluated", event->event.round_evaluated.round);
        text_metrics(ret, event->event.round_evaluated.metrics, event->event.round_evaluated.metrics_count);
        bytes_text(ret, "\n");
        break;
    case cohort_v1_WatchExperimentResponse_learner_evaluated_tag:
        bytes_format(ret, "round %" PRIu32 ": %s evaluated %" PRIu64 " samples of its own",
                     event->event.learner_evaluated.round, event->event.learner_evaluated.learner,
                     event->event.learner_evaluated.n_samples);
        text_metrics(ret, event->event.learner_evaluated.metrics,
                     event->event.learner_evaluated.metrics_count);
        bytes_text(ret, "\n");
        break;
    case cohort_v1_WatchExperimentResponse_learner_changed_tag:
        bytes_format(ret, "%s is %s", event->event.learner_changed.learner,
                     event_learner_state(event->event.learner_changed.state));
        text_message(ret, event->event.learner_changed.message);
        break;
    case cohort_v1_WatchExperimentResponse_summary_accepted_tag:
        text_accepted(&event->event.summary_accepted, ret);
        break;
    case cohort_v1_WatchExperimentResponse_summary_rejected_tag:
        bytes_format(ret, "round %" PRIu32 ": the summary of %s was rejected (%s)",
                     event->event.summary_rejected.round, event->event.summary_rejected.learner,
                     event_reason(event->event.summary_rejected.reason));
        text_message(ret, event->event.summary_rejected.message);
        break;
    case cohort_v1_WatchExperimentResponse_events_lost_tag:
        bytes_format(ret, "events before number %" PRIu64 " are no longer kept\n",
                     event->event.events_lost.first_kept);
        break;
    default:
        break;
    }
}

// ---- for programs ---------------------------------------------------------------------------------------

static void json_text(struct bytes *ret, const char *name, const char *value)
{
    bytes_format(ret, ", \"%s\": ", name);
    bytes_json(ret, value);
}

static void json_count(struct bytes *ret, const char *name, uint64_t value)
{
    bytes_format(ret, ", \"%s\": %" PRIu64, name, value);
}

static void json_number(struct bytes *ret, const char *name, double value)
{
    bytes_format(ret, ", \"%s\": ", name);
    bytes_json_real(ret, value);
}

static void json_metrics(struct bytes *ret, const cohort_v1_Metric *metrics, pb_size_t n)
{
    bytes_text(ret, ", \"metrics\": {");
    for (pb_size_t i = 0; i < n; i++) {
        bytes_text(ret, i ? ", " : "");
        bytes_json(ret, metrics[i].name);
        bytes_text(ret, ": ");
        bytes_json_real(ret, metrics[i].value);
    }
    bytes_text(ret, "}");
}

static void json_state(const cohort_v1_StateChanged *it, struct bytes *ret)
{
    json_text(ret, "event", "state_changed");
    json_text(ret, "state", event_experiment_state(it->state));
    json_text(ret, "message", it->message);
}

static void json_started(const cohort_v1_RoundStarted *it, struct bytes *ret)
{
    json_text(ret, "event", "round_started");
    json_count(ret, "round", it->round);
    json_count(ret, "selected", it->selected);
    json_count(ret, "deadline_ms", (uint64_t)(it->deadline_ms > 0 ? it->deadline_ms : 0));
}

static void json_committed(const cohort_v1_RoundCommitted *it, struct bytes *ret)
{
    json_text(ret, "event", "round_committed");
    json_count(ret, "round", it->round);
    json_text(ret, "model_sha256", it->model_sha256);
    json_number(ret, "seconds", it->seconds);
    json_count(ret, "summaries", it->summaries);
    json_metrics(ret, it->metrics, it->metrics_count);
}

static void json_evaluated(const cohort_v1_RoundEvaluated *it, struct bytes *ret)
{
    json_text(ret, "event", "round_evaluated");
    json_count(ret, "round", it->round);
    json_metrics(ret, it->metrics, it->metrics_count);
}

static void json_learner_evaluated(const cohort_v1_LearnerEvaluated *it, struct bytes *ret)
{
    json_text(ret, "event", "learner_evaluated");
    json_count(ret, "round", it->round);
    json_text(ret, "learner", it->learner);
    json_count(ret, "n_samples", it->n_samples);
    json_metrics(ret, it->metrics, it->metrics_count);
}

static void json_learner(const cohort_v1_LearnerChanged *it, struct bytes *ret)
{
    json_text(ret, "event", "learner_changed");
    json_text(ret, "learner", it->learner);
    json_text(ret, "state", event_learner_state(it->state));
    json_text(ret, "message", it->message);
}

static void json_accepted(const cohort_v1_SummaryAccepted *it, struct bytes *ret)
{
    json_text(ret, "event", "summary_accepted");
    json_count(ret, "round", it->round);
    json_text(ret, "learner", it->learner);
    json_count(ret, "weight", it->weight);
    json_number(ret, "seconds", it->seconds);
    json_number(ret, "train_seconds", it->train_seconds);
    json_number(ret, "fetch_seconds", it->fetch_seconds);
    json_count(ret, "staleness", it->staleness);
    json_metrics(ret, it->metrics, it->metrics_count);
}

static void json_rejected(const cohort_v1_SummaryRejected *it, struct bytes *ret)
{
    json_text(ret, "event", "summary_rejected");
    json_count(ret, "round", it->round);
    json_text(ret, "learner", it->learner);
    json_text(ret, "reason", event_reason(it->reason));
    json_text(ret, "message", it->message);
}

static void json_fields(const cohort_v1_WatchExperimentResponse *event, struct bytes *ret)
{
    switch (event->which_event) {
    case cohort_v1_WatchExperimentResponse_state_changed_tag:
        return json_state(&event->event.state_changed, ret);
    case cohort_v1_WatchExperimentResponse_round_started_tag:
        return json_started(&event->event.round_started, ret);
    case cohort_v1_WatchExperimentResponse_round_committed_tag:
        return json_committed(&event->event.round_committed, ret);
    case cohort_v1_WatchExperimentResponse_round_evaluated_tag:
        return json_evaluated(&event->event.round_evaluated, ret);
    case cohort_v1_WatchExperimentResponse_learner_evaluated_tag:
        return json_learner_evaluated(&event->event.learner_evaluated, ret);
    case cohort_v1_WatchExperimentResponse_learner_changed_tag:
        return json_learner(&event->event.learner_changed, ret);
    case cohort_v1_WatchExperimentResponse_summary_accepted_tag:
        return json_accepted(&event->event.summary_accepted, ret);
    case cohort_v1_WatchExperimentResponse_summary_rejected_tag:
        return json_rejected(&event->event.summary_rejected, ret);
    case cohort_v1_WatchExperimentResponse_events_lost_tag:
        json_text(ret, "event", "events_lost");
        return json_count(ret, "first_kept", event->event.events_lost.first_kept);
    default:
        return json_text(ret, "event", "unknown");
    }
}

void event_json(const cohort_v1_WatchExperimentResponse *event, struct bytes *ret)
{
    bytes_format(ret, "{\"cursor\": %" PRIu64 ", \"unix_ms\": %" PRId64, event->cursor, event->unix_ms);
    json_fields(event, ret);
    bytes_text(ret, "}\n");
}
