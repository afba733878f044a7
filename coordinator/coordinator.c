#include "coordinator/coordinator.h"
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "store/journal.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void coordinator_lock(struct coordinator *coordinator)
{
    pthread_mutex_lock(&coordinator->lock);
}

void coordinator_set_server(struct coordinator *coordinator, struct rpc_server *server)
{
    pthread_mutex_lock(&coordinator->lock);
    coordinator->server = server;
    pthread_mutex_unlock(&coordinator->lock);
}

void coordinator_unlock(struct coordinator *coordinator)
{
    pthread_mutex_unlock(&coordinator->lock);
}

// ---- the timer: deadlines and leases --------------------------------------------------------------------

static void check_leases(struct coordinator *coordinator, int64_t now_ms)
{
    for (struct member *member = coordinator->members; member; member = member->next)
        if (member->call && now_ms - member->last_seen_ms > coordinator->options->lease_ms)
            rpc_call_cancel(member->call); // its `closed` event makes it lost
    for (struct job *job = coordinator->jobs; job; job = job->next)
        job_kept_expire(job, now_ms);
    lease_check_all(coordinator->leases, coordinator->options->lease_ms, now_ms);
}

// What the disk refused when it was said.
static void write_again(struct coordinator *coordinator)
{
    for (struct job *job = coordinator->jobs; job; job = job->next)
        if (job->state_unwritten)
            job_journal_state(job);
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
        int64_t events_ms = events_tick(job->events, now_ms);
        if (events_ms < next_ms)
            next_ms = events_ms;
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
    int64_t leases_at_ms = 0, lease_step_ms = lease_look_ms(coordinator->options->lease_ms);
    pthread_mutex_lock(&coordinator->lock);
    while (!coordinator->ending) {
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= leases_at_ms) {
            check_leases(coordinator, now_ms);
            write_again(coordinator);
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

// ---- handing learners to experiments --------------------------------------------------------------------

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

struct job *member_claim(const struct member *member)
{
    struct job *job = member->claim;
    return job && !job_is_over(job) && strcmp(job->slots[member->claimed_slot].name, member->name) == 0
               ? job
               : NULL;
}

void coordinator_return(struct member *member)
{
    struct job *job = member_claim(member);
    if (job && idle(member))
        job_enrol(job, member->claimed_slot, member);
}

static bool fits(const struct member *member, const struct job *job)
{
    return idle(member) && member->declined != job;
}

static size_t count_idle(const struct coordinator *coordinator, const struct job *job)
{
    size_t n = 0;
    for (const struct member *member = coordinator->members; member; member = member->next)
        n += fits(member, job);
    return n;
}

static void fill_slots(struct job *job, size_t n_waiting)
{
    struct coordinator *coordinator = job->coordinator;
    struct member **waiting = memory_array(n_waiting, sizeof *waiting);
    size_t n = 0, next = 0;
    if (!waiting)
        return; // the next to join tries again
    for (struct member *member = coordinator->members; member; member = member->next)
        if (fits(member, job))
            waiting[n++] = member;
    qsort(waiting, n, sizeof *waiting, natural_order);
    for (uint32_t slot = 0; slot < job->n_slots && next < n; slot++)
        if (!*job->slots[slot].name)
            job_enrol(job, slot, waiting[next++]);
    job->enrolled = true;
    memory_free(waiting);
}

// A free slot of an experiment that is on its way, for one learner: without a look at all the others.
static bool fill_one(struct job *job, struct member *member)
{
    if (job_is_over(job) || !job->enrolled || job->n_free == 0 || !fits(member, job))
        return false;
    while (job->free_from < job->n_slots && *job->slots[job->free_from].name)
        job->free_from++;
    if (job->free_from == job->n_slots)
        return false;
    job_enrol(job, job->free_from++, member);
    return true;
}

void coordinator_place(struct coordinator *coordinator, struct member *member)
{
    coordinator_return(member);
    for (struct job *job = coordinator->jobs; job && idle(member); job = job->next)
        if (!job->enrolled || fill_one(job, member))
            break; // of several, the one that came first
    if (idle(member))
        coordinator_enrol(coordinator);
}

// Idle learners that make it worth while to look: at first enough for the first round.
static size_t n_wanted(const struct job *job)
{
    if (job_is_over(job))
        return 0;
    size_t start_with = round_options(job->round)->start_with;
    if (job->enrolled)
        return job->n_free != 0;
    return start_with ? start_with : job->n_free;
}

void coordinator_enrol(struct coordinator *coordinator)
{
    for (struct job *job = coordinator->jobs; job; job = job->next) {
        size_t wanted = n_wanted(job);
        if (wanted == 0 || coordinator->n_members < wanted)
            continue;
        size_t n = count_idle(coordinator, job);
        if (n >= wanted)
            fill_slots(job, n);
    }
}

// ---- life -----------------------------------------------------------------------------------------------

static enum status open_journal(struct coordinator *coordinator, struct error *error)
{
    const struct coordinator_options *options = coordinator->options;
    TRY(journal_open(&coordinator->journal, options->state_folder, options->sync, &coordinator->epoch,
                     error));
    return job_restore_all(coordinator, error);
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
    coordinator->epoch |= EPOCH_RANDOM;
    pthread_mutex_init(&coordinator->lock, NULL);
    pthread_cond_init(&coordinator->hashed, NULL);
    clock_condition_init(&coordinator->changed);
    enum status status = pool_new(&coordinator->pool, pool_n_cores(), "work", error);
    if (status == STATUS_OK && options->common.cross_memory)
        status = cross_peers_open(&coordinator->cross_peers, error);
    if (status == STATUS_OK && options->state_folder)
        status = open_journal(coordinator, error);
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
        cross_peer_leave(&coordinator->cross_peers, member->cross);
        memory_free(member);
    }
    cross_peers_release(&coordinator->cross_peers);
    headcount_release(&coordinator->headcounts);
    journal_close(coordinator->journal);
    pthread_cond_destroy(&coordinator->hashed);
    pthread_cond_destroy(&coordinator->changed);
    pthread_mutex_destroy(&coordinator->lock);
    return memory_free(coordinator);
}
