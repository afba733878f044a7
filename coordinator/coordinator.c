#include "coordinator/coordinator.h"
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

// ---- the timer: deadlines and leases
// -------------------------------------------------------------------------------

static void check_leases(struct coordinator *coordinator, int64_t now_ms)
{
    for (struct member *member = coordinator->members; member; member = member->next)
        if (member->call && now_ms - member->last_seen_ms > coordinator->options->lease_ms)
            rpc_call_cancel(member->call); // its `closed` event makes it lost
}

static int64_t tick_jobs(struct coordinator *coordinator, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    for (struct job *job = coordinator->jobs; job; job = job->next) {
        if (job->wake_at_ms <= now_ms) {
            job->wake_at_ms = INT64_MAX;
            round_tick(job->round, now_ms);
        }
        if (job->wake_at_ms < next_ms)
            next_ms = job->wake_at_ms;
    }
    return next_ms;
}

static void wait_until(struct coordinator *coordinator, int64_t at_ms)
{
    struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
    pthread_cond_timedwait(&coordinator->changed, &coordinator->lock, &at);
}

static void *keep_time(void *argument)
{
    struct coordinator *coordinator = argument;
    int64_t leases_at_ms = 0, lease_step_ms = coordinator->options->lease_ms / 4 + 1;
    pthread_mutex_lock(&coordinator->lock);
    while (!coordinator->ending) {
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= leases_at_ms) {
            check_leases(coordinator, now_ms);
            leases_at_ms = now_ms + lease_step_ms;
        }
        int64_t next_ms = tick_jobs(coordinator, now_ms);
        wait_until(coordinator, next_ms < leases_at_ms ? next_ms : leases_at_ms);
    }
    pthread_mutex_unlock(&coordinator->lock);
    return NULL;
}

void coordinator_wake_timer(struct coordinator *coordinator)
{
    pthread_cond_signal(&coordinator->changed);
}

// ---- handing learners to experiments
// -------------------------------------------------------------------------------

static bool idle(const struct member *member)
{
    return member->call && !member->job && !member->removed &&
           member->state == cohort_v1_LearnerState_LEARNER_STATE_JOINED;
}

// Members in the natural order of their names, learner-2 before learner-10: who gets which number does not
// depend on who came first.
static int natural_order(const void *a, const void *b)
{
    return strverscmp((*(struct member *const *)a)->name, (*(struct member *const *)b)->name);
}

static void return_to_slots(struct coordinator *coordinator)
{
    for (struct member *member = coordinator->members; member; member = member->next) {
        for (struct job *job = coordinator->jobs; job && idle(member); job = job->next) {
            int64_t slot = job_is_over(job) ? -1 : job_slot_of(job, member->name);
            if (slot >= 0)
                job_enrol(job, (uint32_t)slot, member);
        }
    }
}

static void fill_slots(struct job *job, struct member **waiting, size_t n_waiting)
{
    size_t next = 0;
    for (uint32_t slot = 0; slot < job->n_slots && next < n_waiting; slot++)
        if (!*job->slots[slot].name)
            job_enrol(job, slot, waiting[next++]);
    job->enrolled = true;
}

static size_t gather_idle(const struct coordinator *coordinator, struct member **ret)
{
    size_t n = 0;
    for (struct member *member = coordinator->members; member; member = member->next)
        if (idle(member))
            ret[n++] = member;
    qsort(ret, n, sizeof *ret, natural_order);
    return n;
}

void coordinator_enrol(struct coordinator *coordinator)
{
    return_to_slots(coordinator);
    struct member **waiting = memory_array(coordinator->n_members + 1, sizeof *waiting);
    if (!waiting)
        return; // the next to join tries again
    for (struct job *job = coordinator->jobs; job; job = job->next) {
        if (job_is_over(job) || job_n_wanted(job) == 0)
            continue;
        size_t n = gather_idle(coordinator, waiting);
        if (n && (job->enrolled || n >= job_n_wanted(job)))
            fill_slots(job, waiting, n);
    }
    memory_free(waiting);
}

// ---- life
// ----------------------------------------------------------------------------------------------------------

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status coordinator_new(struct coordinator **ret, const struct coordinator_options *options,
                            struct error *error)
{
    struct coordinator *coordinator = memory_zalloc(sizeof *coordinator);
    if (!coordinator)
        return error_no_memory(error, sizeof *coordinator);
    coordinator->options = options;
    coordinator->members_end = &coordinator->members;
    coordinator->jobs_end = &coordinator->jobs;
    if (getrandom(&coordinator->epoch, sizeof coordinator->epoch, 0) != sizeof coordinator->epoch)
        coordinator->epoch = (uint64_t)clock_monotonic_ns();
    pthread_mutex_init(&coordinator->lock, NULL);
    init_condition(&coordinator->changed);
    enum status status = pool_new(&coordinator->pool, pool_n_cores(), "work", error);
    if (status == STATUS_OK) {
        int failed = pthread_create(&coordinator->timer, NULL, keep_time, coordinator);
        coordinator->timing = failed == 0;
        if (failed)
            status = error_errno(error, failed, "cannot start", "the timer thread");
    }
    if (status != STATUS_OK)
        coordinator_free(coordinator);
    else
        *ret = coordinator;
    return status;
}

static void forget_node(void *node)
{
    (void)node; // members are freed through their list
}

struct coordinator *coordinator_free(struct coordinator *coordinator)
{
    if (!coordinator)
        return NULL;
    pthread_mutex_lock(&coordinator->lock);
    coordinator->ending = true;
    pthread_cond_broadcast(&coordinator->changed);
    pthread_mutex_unlock(&coordinator->lock);
    if (coordinator->timing)
        pthread_join(coordinator->timer, NULL);
    pool_free(coordinator->pool); // runs what is queued
    for (struct job *job = coordinator->jobs, *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
    tdestroy(coordinator->members_by_name, forget_node);
    for (struct member *member = coordinator->members, *next; member; member = next) {
        next = member->next;
        rpc_call_unref(member->call);
        memory_free(member);
    }
    pthread_cond_destroy(&coordinator->changed);
    pthread_mutex_destroy(&coordinator->lock);
    return memory_free(coordinator);
}
