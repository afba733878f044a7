#include "coordinator/metrics.h"
#include "base/arena.h"
#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/events.h"
#include "coordinator/job.h"
#include "report/prometheus.h"
#include "rpc/accept.h"
#include <stdio.h>

// Of one experiment, as it was under the lock.
struct view {
    cohort_v1_Experiment experiment;
    struct event_counts counts;
};

struct snapshot {
    struct arena arena;
    struct view *views;
    size_t n_views;
    size_t n_in_state[_cohort_v1_LearnerState_ARRAYSIZE];
};

static void take(struct coordinator *coordinator, struct snapshot *ret)
{
    coordinator_lock(coordinator);
    for (const struct member *member = coordinator->members; member; member = member->next)
        if ((size_t)member->state < ARRAY_SIZE(ret->n_in_state))
            ret->n_in_state[member->state]++;
    ret->views = arena_array(&ret->arena, coordinator->n_jobs + 1, sizeof *ret->views);
    for (struct job *job = coordinator->jobs; job && ret->views; job = job->next) {
        struct view *view = &ret->views[ret->n_views++];
        job_describe(job, &view->experiment);
        view->counts = *events_counts(job->events);
    }
    coordinator_unlock(coordinator);
}

static const char *const learner_states[] = {NULL,        "joined", "enrolled", "ready",  "training",
                                             "uploading", "lost",   "left",     "removed"};
static const char *const experiment_states[] = {NULL,        "waiting", "running",  "paused",
                                                "completed", "failed",  "cancelled"};
static const char *const reasons[EVENT_REASONS] = {
    "unspecified",  "unknown_experiment", "unknown_learner", "unknown_round", "wrong_round",
    "not_selected", "wrong_size",         "not_finite",      "out_of_range",  "damaged",
    "superseded",   "incompatible",       "bad_experiment",  "wrong_state",   "learner_failed",
    "removed",      "too_large",          "oversized_norm",  "stale",
};
_Static_assert(ARRAY_SIZE(learner_states) == _cohort_v1_LearnerState_ARRAYSIZE, "name every state");
_Static_assert(ARRAY_SIZE(experiment_states) == _cohort_v1_ExperimentState_ARRAYSIZE, "name every state");

static void write_learners(const struct snapshot *snapshot, struct bytes *ret)
{
    prometheus_family(ret, "cohort_learners", "gauge", "Learners that attend or have attended, by state.");
    for (size_t i = 1; i < ARRAY_SIZE(snapshot->n_in_state); i++)
        prometheus_sample(ret, "cohort_learners", (const char *const[]){"state", learner_states[i], NULL},
                          (double)snapshot->n_in_state[i]);
}

static double round_of(const struct view *view)
{
    return view->experiment.round;
}
static double rounds_of(const struct view *view)
{
    return view->experiment.rounds;
}
static double learners_of(const struct view *view)
{
    return view->experiment.learners;
}
static double ready_of(const struct view *view)
{
    return view->experiment.learners_ready;
}
static double parameters_of(const struct view *view)
{
    return (double)view->experiment.model_parameters;
}
static double bytes_up_of(const struct view *view)
{
    return (double)view->experiment.bytes_up;
}
static double bytes_down_of(const struct view *view)
{
    return (double)view->experiment.bytes_down;
}
static double accepted_of(const struct view *view)
{
    return (double)view->counts.accepted;
}

// A family with one sample an experiment.
static const struct {
    const char *name, *type, *help;
    double (*value)(const struct view *view);
} families[] = {
    {"cohort_experiment_round", "gauge", "The last committed round.", round_of},
    {"cohort_experiment_rounds_wanted", "gauge", "Rounds as asked for.", rounds_of},
    {"cohort_experiment_learners_wanted", "gauge", "Learners as asked for.", learners_of},
    {"cohort_experiment_learners_ready", "gauge", "Learners that are ready.", ready_of},
    {"cohort_experiment_model_parameters", "gauge", "Parameters of the model.", parameters_of},
    {"cohort_received_bytes_total", "counter", "Bytes of summaries received.", bytes_up_of},
    {"cohort_sent_bytes_total", "counter", "Bytes of models sent.", bytes_down_of},
    {"cohort_summaries_accepted_total", "counter", "Summaries that counted.", accepted_of},
};

static void write_single(const struct snapshot *snapshot, struct bytes *ret)
{
    for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
        prometheus_family(ret, families[k].name, families[k].type, families[k].help);
        for (size_t i = 0; i < snapshot->n_views; i++)
            prometheus_sample(ret, families[k].name,
                              (const char *const[]){"experiment", snapshot->views[i].experiment.id, NULL},
                              families[k].value(&snapshot->views[i]));
    }
}

static void write_states(const struct snapshot *snapshot, struct bytes *ret)
{
    prometheus_family(ret, "cohort_experiment_state", "gauge", "1 for the state that it is in, else 0.");
    for (size_t i = 0; i < snapshot->n_views; i++)
        for (size_t k = 1; k < ARRAY_SIZE(experiment_states); k++)
            prometheus_sample(ret, "cohort_experiment_state",
                              (const char *const[]){"experiment", snapshot->views[i].experiment.id, "state",
                                                    experiment_states[k], NULL},
                              (size_t)snapshot->views[i].experiment.state == k);
}

static void write_rejected(const struct snapshot *snapshot, struct bytes *ret)
{
    prometheus_family(ret, "cohort_summaries_rejected_total", "counter",
                      "Summaries that were rejected, by reason.");
    for (size_t i = 0; i < snapshot->n_views; i++)
        for (size_t k = 0; k < EVENT_REASONS; k++)
            if (snapshot->views[i].counts.rejected[k])
                prometheus_sample(ret, "cohort_summaries_rejected_total",
                                  (const char *const[]){"experiment", snapshot->views[i].experiment.id,
                                                        "reason", reasons[k], NULL},
                                  (double)snapshot->views[i].counts.rejected[k]);
}

static void write_metrics(const struct snapshot *snapshot, struct bytes *ret)
{
    prometheus_family(ret, "cohort_metric", "gauge",
                      "A metric of the last committed round: train_loss, test_accuracy, ...");
    for (size_t i = 0; i < snapshot->n_views; i++) {
        const cohort_v1_Experiment *it = &snapshot->views[i].experiment;
        for (pb_size_t k = 0; k < it->metrics_count; k++)
            prometheus_sample(
                ret, "cohort_metric",
                (const char *const[]){"experiment", it->id, "metric", it->metrics[k].name, NULL},
                it->metrics[k].value);
    }
}

static void write_phase(const char *id, const char *phase, double sum, uint64_t n, struct bytes *ret)
{
    const char *const labels[] = {"experiment", id, "phase", phase, NULL};
    prometheus_sample(ret, "cohort_phase_seconds_sum", labels, sum);
    prometheus_sample(ret, "cohort_phase_seconds_count", labels, (double)n);
}

static void write_phases(const struct snapshot *snapshot, struct bytes *ret)
{
    prometheus_family(ret, "cohort_phase_seconds", "summary",
                      "Time of whole rounds, and of fetching, training and answering of each learner.");
    for (size_t i = 0; i < snapshot->n_views; i++) {
        const char *id = snapshot->views[i].experiment.id;
        const struct event_counts *counts = &snapshot->views[i].counts;
        write_phase(id, "round", counts->round_seconds, counts->committed, ret);
        write_phase(id, "fetch", counts->fetch_seconds, counts->accepted, ret);
        write_phase(id, "train", counts->train_seconds, counts->accepted, ret);
        write_phase(id, "summary", counts->summary_seconds, counts->accepted, ret);
    }
}

// What peers were refused, or cut off for.
static void write_refusals(struct coordinator *coordinator, struct bytes *ret)
{
    static const char *const of_calls[RPC_QUOTAS] = {
        [RPC_QUOTA_CALLS_A_HOST] = "calls_a_host",
        [RPC_QUOTA_UNREAD_A_HOST] = "unread_a_host",
        [RPC_QUOTA_CALLS_A_SECOND] = "calls_a_second",
        [RPC_QUOTA_EXCHANGES_A_SECOND] = "exchanges_a_second",
    };
    coordinator_lock(coordinator);
    const struct {
        const char *limit;
        unsigned long n;
    } rows[] = {
        {"connections", accept_n_refused()},
        {"learners", coordinator->n_learners_refused},
        {"learners_a_peer", coordinator->headcounts.refused},
        {"experiments", coordinator->n_experiments_refused},
        {"watchers", coordinator->n_watches_refused},
        {"messages", coordinator->n_streams_ended},
    };
    unsigned long n_calls[RPC_QUOTAS] = {0};
    for (int i = 0; i < RPC_QUOTAS && coordinator->server; i++)
        n_calls[i] = rpc_server_n_refused(coordinator->server, (enum rpc_quota)i);
    coordinator_unlock(coordinator);
    prometheus_family(ret, "cohort_refused_total", "counter",
                      "What peers asked for beyond a limit and did not get, by limit.");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        prometheus_sample(ret, "cohort_refused_total", (const char *const[]){"limit", rows[i].limit, NULL},
                          (double)rows[i].n);
    for (int i = 0; i < RPC_QUOTAS; i++)
        prometheus_sample(ret, "cohort_refused_total", (const char *const[]){"limit", of_calls[i], NULL},
                          (double)n_calls[i]);
}

void coordinator_metrics(void *self, struct bytes *ret)
{
    struct snapshot snapshot = {.arena = ARENA_INIT};
    prometheus_process(ret, self ? "cohort-coordinator" : "cohort-relay");
    if (!self)
        return;
    write_refusals(self, ret);
    take(self, &snapshot);
    if (snapshot.views) {
        write_learners(&snapshot, ret);
        write_single(&snapshot, ret);
        write_states(&snapshot, ret);
        write_rejected(&snapshot, ret);
        write_metrics(&snapshot, ret);
        write_phases(&snapshot, ret);
    } else {
        ret->failed = true;
    }
    arena_release(&snapshot.arena);
}
