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

static const struct {
    const char *name, *help;
    double (*value)(const struct view *view);
} families[] = {
    {"cohort_learner_joined", "1 while it attends the coordinator.", joined_of},
    {"cohort_learner_round", "The round that its model belongs to; 0 before the first.", round_of},
    {"cohort_learner_trained_round", "The round of the summary that it made last; 0: none.", kept_of},
    {"cohort_learner_samples", "Samples that it trains on.", samples_of},
};

static const char *const activities[] = {"idle",    "loading",    "fetching",   "fetching",   "training",
                                         "pausing", "submitting", "evaluating", "exchanging", "serving"};
_Static_assert(ARRAY_SIZE(activities) == ACTIVITY_SERVING + 1, "name every activity");

static struct view *take(struct host *host, struct arena *arena)
{
    struct view *views = arena_array(arena, host->n_learners + 1, sizeof *views);
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; views && i < host->n_learners; i++) {
        const struct learner *learner = &host->learners[i];
        views[i] = (struct view){.joined = learner->joined,
                                 .activity = learner->activity,
                                 .round = learner->round,
                                 .samples = (double)learner->part.n_samples,
                                 .kept_round = learner->kept_round};
        snprintf(views[i].name, sizeof views[i].name, "%s", learner->name);
    }
    pthread_mutex_unlock(&host->lock);
    return views;
}

void host_metrics(void *self, struct bytes *ret)
{
    struct host *host = self;
    struct arena arena = ARENA_INIT;
    prometheus_process(ret, "cohort-learner");
    struct view *views = take(host, &arena);
    ret->failed |= !views;
    for (size_t k = 0; views && k < ARRAY_SIZE(families); k++) {
        prometheus_family(ret, families[k].name, "gauge", families[k].help);
        for (size_t i = 0; i < host->n_learners; i++)
            prometheus_sample(ret, families[k].name, (const char *const[]){"learner", views[i].name, NULL},
                              families[k].value(&views[i]));
    }
    if (views)
        prometheus_family(ret, "cohort_learner_activity", "gauge", "1 for what it is busy with.");
    for (size_t i = 0; views && i < host->n_learners; i++)
        prometheus_sample(
            ret, "cohort_learner_activity",
            (const char *const[]){"learner", views[i].name, "activity", activities[views[i].activity], NULL},
            1);
    arena_release(&arena);
}
