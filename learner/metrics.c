#include "learner/metrics.h"
#include "base/arena.h"
#include "base/memory.h"
#include "learner/host.h"
#include "report/prometheus.h"
#include <math.h>
#include <stdio.h>

// Of one learner, as it was under the lock.
struct view {
    char name[64];
    bool joined;
    enum activity activity;
    double round, samples, kept_round;
    double train_loss, train_accuracy; // NAN: of none yet
    double n_trained, train_seconds, fetch_seconds, sent_bytes;
};

static double joined_of(const struct view *view)
{
    return view->joined;
}
static double round_of(const struct view *view)
{
    return view->round;
}
static double samples_of(const struct view *view)
{
    return view->samples;
}
static double kept_of(const struct view *view)
{
    return view->kept_round;
}
static double loss_of(const struct view *view)
{
    return view->train_loss;
}
static double accuracy_of(const struct view *view)
{
    return view->train_accuracy;
}
static double sent_of(const struct view *view)
{
    return view->sent_bytes;
}

// A family with one sample a learner that has one.
static const struct {
    const char *name, *type, *help;
    double (*value)(const struct view *view);
} families[] = {
    {"cohort_learner_joined", "gauge", "1 while it attends the coordinator.", joined_of},
    {"cohort_learner_round", "gauge", "The round that its model belongs to; 0 before the first.", round_of},
    {"cohort_learner_trained_round", "gauge", "The round of the summary that it made last; 0: none.",
     kept_of},
    {"cohort_learner_samples", "gauge", "Samples that it trains on.", samples_of},
    {"cohort_learner_train_loss", "gauge", "Of the summary that it made last.", loss_of},
    {"cohort_learner_train_accuracy", "gauge", "Of the summary that it made last.", accuracy_of},
    {"cohort_learner_sent_bytes_total", "counter", "Bytes of summaries sent.", sent_of},
};

static const char *const activities[] = {"idle",       "loading",    "fetching",   "fetching",
                                         "training",   "pausing",    "submitting", "submitting",
                                         "evaluating", "exchanging", "serving"};
_Static_assert(ARRAY_SIZE(activities) == ACTIVITY_SERVING + 1, "name every activity");

static struct view *take(struct host *host, uint64_t *ret_received_bytes, struct arena *arena)
{
    struct view *views = arena_array(arena, host->n_learners + 1, sizeof *views);
    pthread_mutex_lock(&host->lock);
    *ret_received_bytes = host->received_bytes;
    for (size_t i = 0; views && i < host->n_learners; i++) {
        const struct learner *learner = &host->learners[i];
        views[i] =
            (struct view){.joined = learner->joined,
                          .activity = learner->activity,
                          .round = learner->round,
                          .samples = (double)learner->part.n_samples,
                          .kept_round = learner->kept_round,
                          .train_loss = learner->tally.n_trained ? learner->result.train_loss : NAN,
                          .train_accuracy = learner->tally.n_trained ? learner->result.train_accuracy : NAN,
                          .n_trained = (double)learner->tally.n_trained,
                          .train_seconds = learner->tally.train_seconds,
                          .fetch_seconds = learner->tally.fetch_seconds,
                          .sent_bytes = (double)learner->tally.sent_bytes};
        snprintf(views[i].name, sizeof views[i].name, "%s", learner->name);
    }
    pthread_mutex_unlock(&host->lock);
    return views;
}

static void write_singles(const struct view *views, size_t n, struct bytes *ret)
{
    for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
        prometheus_family(ret, families[k].name, families[k].type, families[k].help);
        for (size_t i = 0; i < n; i++) {
            double value = families[k].value(&views[i]);
            if (!isnan(value))
                prometheus_sample(ret, families[k].name,
                                  (const char *const[]){"learner", views[i].name, NULL}, value);
        }
    }
}

static void write_activities(const struct view *views, size_t n, struct bytes *ret)
{
    prometheus_family(ret, "cohort_learner_activity", "gauge", "1 for what it is busy with.");
    for (size_t i = 0; i < n; i++)
        prometheus_sample(
            ret, "cohort_learner_activity",
            (const char *const[]){"learner", views[i].name, "activity", activities[views[i].activity], NULL},
            1);
}

static void write_phase(const struct view *view, const char *phase, double seconds, struct bytes *ret)
{
    const char *const labels[] = {"learner", view->name, "phase", phase, NULL};
    prometheus_sample(ret, "cohort_learner_phase_seconds_sum", labels, seconds);
    prometheus_sample(ret, "cohort_learner_phase_seconds_count", labels, view->n_trained);
}

static void write_phases(const struct view *views, size_t n, struct bytes *ret)
{
    prometheus_family(ret, "cohort_learner_phase_seconds", "summary",
                      "Time of fetching and training for each summary that it made.");
    for (size_t i = 0; i < n; i++) {
        write_phase(&views[i], "fetch", views[i].fetch_seconds, ret);
        write_phase(&views[i], "train", views[i].train_seconds, ret);
    }
}

void host_metrics(void *self, struct bytes *ret)
{
    struct host *host = self;
    struct arena arena = ARENA_INIT;
    uint64_t received_bytes = 0;
    prometheus_process(ret, "cohort-learner");
    struct view *views = take(host, &received_bytes, &arena);
    if (views) {
        write_singles(views, host->n_learners, ret);
        write_activities(views, host->n_learners, ret);
        write_phases(views, host->n_learners, ret);
        prometheus_single(ret, "cohort_learner_received_bytes_total", "counter",
                          "Bytes of models received, once for all learners of the process.",
                          (double)received_bytes);
    }
    ret->failed |= !views;
    arena_release(&arena);
}
