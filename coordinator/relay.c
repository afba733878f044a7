#include "coordinator/relay.h"
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

// ---- experiments ----------------------------------------------------------------------------------------

// Sums of partial sums are those of all summaries only where the reducer says so, and where every summary is
// judged by itself alone: by its weight and its values. Stale summaries count for less than the others.
static bool adds_up(const struct experiment *experiment)
{
    const struct reducer_kind *reducer =
        (const struct reducer_kind *)(const void *)experiment->options.collaboration.reducer.kind;
    const struct experiment_options *options = &experiment->options;
    return reducer->sums != NULL && options->collaboration.max_norm == 0 &&
           !experiment_rules(options).continuous;
}

struct relay_job *relay_job_find(const struct relay *relay, const char *id)
{
    for (struct relay_job *job = relay->jobs; job; job = job->next)
        if (strcmp(job->id, id) == 0)
            return job;
    return NULL;
}

static void free_job(struct relay_job *job)
{
    relay_models_release(job->models);
    ingest_unref(job->spare);
    experiment_release(&job->experiment);
    memory_free(job->yaml);
    memory_free(job);
}

enum status relay_job_open(struct relay *relay, const cohort_v1_Enrol *enrol, struct relay_job **ret,
                           struct error *error)
{
    const char *id = enrol->experiment_id, *yaml = enrol->yaml;
    const struct experiment_origin origin = {enrol->resolved.version, enrol->resolved.defaults};
    struct relay_job *known = relay_job_find(relay, id); // the newest of the name
    if (known && strcmp(known->yaml, yaml) == 0) {
        known->n_users++;
        *ret = known;
        return STATUS_OK;
    }
    struct relay_job *job = memory_zalloc(sizeof *job);
    if (!job)
        return error_no_memory(error, sizeof *job);
    job->yaml = memory_copy_text(yaml);
    enum status status = job->yaml ? experiment_receive(&job->experiment, yaml, &origin, error)
                                   : error_no_memory(error, strlen(yaml));
    if (status != STATUS_OK) {
        free_job(job);
        return status;
    }
    job->relay = relay;
    snprintf(job->id, sizeof job->id, "%s", id);
    job->adds_up = adds_up(&job->experiment);
    job->due_ms = INT64_MAX;
    job->n_users = 1;
    job->next = relay->jobs;
    relay->jobs = job;
    *ret = job;
    return STATUS_OK;
}

void relay_job_close(struct relay_job *job)
{
    if (--job->n_users)
        return;
    if (job->open) // nobody is left to add to it
        batch_drop(job->open, "the learners behind this relay have gone");
    struct relay_job **link = &job->relay->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    free_job(job);
}

// ---- calls upstream -------------------------------------------------------------------------------------

enum status relay_call(struct relay *relay, struct rpc_call **ret, const char *path,
                       const struct rpc_events *events, void *user, struct error *error)
{
    if (relay->ending)
        return error_set(error, STATUS_UNAVAILABLE, "the relay is stopping; try again in a moment");
    TRY(rpc_call_start(ret, relay->channel, path, 0, false, events, user, error));
    relay->n_calls++;
    return STATUS_OK;
}

void relay_call_over(struct relay *relay)
{
    relay->n_calls--;
    if (relay->ending)
        pthread_cond_broadcast(&relay->changed);
}

struct relayed *relay_find(const struct relay *relay, const char *name, uint64_t incarnation)
{
    for (struct relayed *learner = relay->learners; learner; learner = learner->next)
        if (learner->joined && learner->incarnation == incarnation && strcmp(learner->name, name) == 0)
            return learner;
    return NULL;
}

// ---- the timer ------------------------------------------------------------------------------------------

void relay_wake(struct relay *relay, int64_t at_ms)
{
    if (at_ms >= relay->wake_ms)
        return;
    relay->wake_ms = at_ms;
    pthread_cond_broadcast(&relay->changed);
}

static void *keep_time(void *argument)
{
    struct relay *relay = argument;
    int64_t lease_ms = relay->options->lease_ms, leases_at_ms = 0;
    pthread_mutex_lock(&relay->lock);
    while (!relay->ending) {
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= leases_at_ms) {
            lease_check_all(relay->leases, lease_ms, now_ms);
            leases_at_ms = now_ms + lease_look_ms(lease_ms);
        }
        relay->wake_ms = leases_at_ms;
        for (struct relay_job *job = relay->jobs, *next; job; job = next) {
            next = job->next;
            batch_consider(job, now_ms);
        }
        struct timespec at = {.tv_sec = relay->wake_ms / 1000, .tv_nsec = relay->wake_ms % 1000 * 1000000};
        pthread_cond_timedwait(&relay->changed, &relay->lock, &at);
    }
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

// ---- life -----------------------------------------------------------------------------------------------

static enum status start(struct relay *relay, struct error *error)
{
    uint32_t mark = 0;
    if (getrandom(&mark, sizeof mark, 0) != sizeof mark)
        mark = (uint32_t)clock_monotonic_ns();
    snprintf(relay->name, sizeof relay->name, "relay-%08x", mark);
    TRY(pool_new(&relay->pool, 1, "relay", error));
    TRY(rpc_channel_new(&relay->channel, relay->runtime, relay->options->relay_of, error));
    int failed = pthread_create(&relay->timer, NULL, keep_time, relay);
    relay->timing = failed == 0;
    return failed ? error_errno(error, failed, "cannot start", "the timer thread") : STATUS_OK;
}

enum status relay_new(struct relay **ret, const struct coordinator_options *options,
                      struct rpc_runtime *runtime, struct error *error)
{
    struct relay *relay = memory_zalloc(sizeof *relay);
    if (!relay)
        return error_no_memory(error, sizeof *relay);
    relay->options = options;
    relay->runtime = runtime;
    pthread_mutex_init(&relay->lock, NULL);
    clock_condition_init(&relay->changed);
    enum status status = start(relay, error);
    if (status != STATUS_OK)
        relay_free(relay);
    else
        *ret = relay;
    return status;
}

bool relay_busy(struct relay *relay)
{
    bool busy = false;
    pthread_mutex_lock(&relay->lock);
    for (const struct relay_job *job = relay->jobs; job; job = job->next)
        busy |= job->open || job->sending;
    pthread_mutex_unlock(&relay->lock);
    return busy;
}

// Gives up what is under way upstream; the callbacks free what they belong to.
static void cancel_calls(struct relay *relay)
{
    for (struct relayed *learner = relay->learners; learner; learner = learner->next)
        if (learner->up)
            rpc_call_cancel(learner->up);
    for (struct relay_job *job = relay->jobs; job; job = job->next) {
        relay_models_cancel(job->models);
        if (job->sending && job->sending->call)
            rpc_call_cancel(job->sending->call);
    }
}

struct relay *relay_free(struct relay *relay)
{
    if (!relay)
        return NULL;
    pthread_mutex_lock(&relay->lock);
    relay->ending = true;
    pthread_cond_broadcast(&relay->changed);
    cancel_calls(relay);
    while (relay->n_calls)
        pthread_cond_wait(&relay->changed, &relay->lock);
    pthread_mutex_unlock(&relay->lock);
    if (relay->timing)
        pthread_join(relay->timer, NULL);
    pool_free(relay->pool); // runs what is queued
    if (relay->channel)
        rpc_channel_free(relay->channel);
    pthread_cond_destroy(&relay->changed);
    pthread_mutex_destroy(&relay->lock);
    return memory_free(relay);
}

static const struct rpc_method methods[] = {
    {.path = "/cohort.v1.Exchange/Attend", .open = relay_attend},
    {.path = "/cohort.v1.Exchange/FetchModel", .open = relay_fetch_model},
    {.path = "/cohort.v1.Exchange/OfferSummary",
     .request_fields = cohort_v1_OfferSummaryRequest_fields,
     .request_bytes = sizeof(cohort_v1_OfferSummaryRequest),
     .unary = relay_offer_summary},
    {.path = "/cohort.v1.Exchange/SubmitSummary", .open = relay_submit_summary},
    {0},
};

struct rpc_service relay_service(struct relay *relay)
{
    return (struct rpc_service){.name = "cohort.v1.Exchange", .methods = methods, .self = relay};
}
