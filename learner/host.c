#include "learner/host.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "learner/channels.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- the timer: connecting, heartbeats, pauses ----------------------------------------------------------

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void resume(struct learner *learner)
{
    learner->activity = ACTIVITY_NONE;
    learner_go_on(learner);
}

enum {
    CHECK_MS = 500,
    LEASE_HEARTBEATS = 3,
    PATIENCE_LEASES = 2,
    DOOR_PATIENCE_MS = 120000,
    PEAK_RSS_MS = 20
};

// How long an exchange with others may stand still: the coordinator is to see first who is lost.
static int64_t patience_ms(const struct learner *learner)
{
    return PATIENCE_LEASES * LEASE_HEARTBEATS * learner->heartbeat_ms;
}

// Does what is due for a learner; returns when to look again.
static int64_t attend_to(struct learner *learner, int64_t now_ms)
{
    if (!learner->call && learner->connect_at_ms <= now_ms)
        learner_connect(learner);
    if (learner->joined && learner->heartbeat_at_ms <= now_ms)
        learner_heartbeat(learner);
    if (learner->activity == ACTIVITY_PAUSING && learner->due_ms <= now_ms)
        resume(learner);
    bool unreached = learner->call && !learner->joined;
    if (unreached && learner->tell_at_ms <= now_ms)
        learner_tell_unreached(learner);
    int64_t next_ms = learner->call ? INT64_MAX : learner->connect_at_ms;
    if (unreached)
        next_ms = earlier(next_ms, learner->tell_at_ms);
    if (learner->peer.peers) {
        peers_check(learner->peer.peers, now_ms, patience_ms(learner));
        next_ms = earlier(next_ms, now_ms + CHECK_MS);
    }
    if (learner->joined)
        next_ms = earlier(next_ms, learner->heartbeat_at_ms);
    return learner->activity == ACTIVITY_PAUSING ? earlier(next_ms, learner->due_ms) : next_ms;
}

static void *keep_time(void *argument)
{
    struct host *host = argument;
    pthread_mutex_lock(&host->lock);
    while (!host->ending) {
        int64_t next_ms = clock_monotonic_ms() + 60000;
        for (size_t i = 0; i < host->n_learners; i++)
            next_ms = earlier(next_ms, attend_to(&host->learners[i], clock_monotonic_ms()));
        peers_door_check(host->door, clock_monotonic_ms(), DOOR_PATIENCE_MS);
        struct timespec at = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        if (host->n_stopped == host->n_learners && !host->told_to_stop) {
            host->told_to_stop = true;
            kill(getpid(), SIGTERM); // nobody is left to serve: as if told to stop, once: a second one kills
        }
        if (next_ms > clock_monotonic_ms())
            pthread_cond_timedwait(&host->changed, &host->lock, &at);
    }
    pthread_mutex_unlock(&host->lock);
    return NULL;
}

void host_wake_timer(struct host *host)
{
    pthread_cond_broadcast(&host->changed);
}

// ---- life -----------------------------------------------------------------------------------------------

static void name_learner(const struct learner_options *options, size_t i, char ret[64])
{
    char host_name[64] = "learner";
    const char *name = options->name ? options->name : host_name;
    if (!options->name)
        gethostname(host_name, sizeof host_name - 1);
    int64_t first = options->number_from > 0 ? options->number_from : 0;
    if (options->learners > 1 || options->number_from >= 0)
        snprintf(ret, 64, "%.48s-%lld", name, (long long)(first + (int64_t)i));
    else
        snprintf(ret, 64, "%.63s", name);
}

static void init_learner(struct host *host, size_t i)
{
    struct learner *learner = &host->learners[i];
    learner->host = host;
    learner->incarnation = (uint64_t)clock_unix_ms();
    learner->connect_at_ms = INT64_MAX;
    name_learner(host->options, i, learner->name);
}

uint64_t host_peak_rss(struct host *host)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - host->peak_rss_ms >= PEAK_RSS_MS) {
        host->peak_rss_bytes = memory_peak_rss();
        host->peak_rss_ms = now_ms;
    }
    return host->peak_rss_bytes;
}

void learner_trace(const struct learner *learner, const char *phase, int64_t begun_ns, uint32_t round)
{
    trace_end(phase, begun_ns, (unsigned int)(learner - learner->host->learners), round);
}

static size_t n_training_threads(const struct learner_options *options)
{
    size_t n = options->threads ? (size_t)options->threads : pool_n_cores();
    return n < (size_t)options->learners ? n : (size_t)options->learners;
}

enum status host_new(struct host **ret, const struct learner_options *options, struct rpc_runtime *runtime,
                     struct error *error)
{
    struct host *host = memory_zalloc(sizeof *host);
    if (!host)
        return error_no_memory(error, sizeof *host);
    host->options = options;
    host->runtime = runtime;
    pthread_mutex_init(&host->lock, NULL);
    clock_condition_init(&host->changed);
    host->last_to_submit = &host->first_to_submit;
    host->n_learners = (size_t)options->learners;
    host->learners = memory_array(host->n_learners, sizeof *host->learners);
    enum status status =
        host->learners ? STATUS_OK : error_no_memory(error, host->n_learners * sizeof *host->learners);
    for (size_t i = 0; status == STATUS_OK && i < host->n_learners; i++)
        init_learner(host, i);
    if (status == STATUS_OK)
        status = pool_new(&host->pool, n_training_threads(options), "train", error);
    if (status == STATUS_OK)
        status = peers_door_new(&host->door, options->common.cross_memory, error);
    if (status == STATUS_OK && options->common.cross_memory)
        status = cross_door_open(&host->cross_door, error);
    if (status == STATUS_OK)
        status = rpc_channel_new(&host->channel, runtime, options->coordinator, error);
    if (status != STATUS_OK)
        host_free(host);
    else
        *ret = host;
    return status;
}

enum status host_start(struct host *host, struct error *error)
{
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; i < host->n_learners; i++) {
        host->learners[i].connect_at_ms = 0;
        trace_name_track((unsigned int)i, host->learners[i].name);
    }
    int failed = pthread_create(&host->timer, NULL, keep_time, host);
    host->timing = failed == 0;
    pthread_mutex_unlock(&host->lock);
    return failed ? error_errno(error, failed, "cannot start", "the timer thread") : STATUS_OK;
}

static void say_goodbye(struct host *host)
{
    pthread_mutex_lock(&host->lock);
    host->ending = true;
    for (size_t i = 0; i < host->n_learners; i++) {
        learner_withdraw(&host->learners[i]);
        learner_farewell(&host->learners[i]);
    }
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static bool at_rest(const struct host *host)
{
    for (size_t i = 0; i < host->n_learners; i++)
        if (host->learners[i].call || host->learners[i].submission ||
            host->learners[i].activity != ACTIVITY_NONE)
            return false;
    for (const struct study *study = host->studies; study; study = study->next)
        if (study->fetch)
            return false;
    return true;
}

static void cancel_all(struct host *host)
{
    for (size_t i = 0; i < host->n_learners; i++)
        if (host->learners[i].call)
            rpc_call_cancel(host->learners[i].call);
    for (struct study *study = host->studies; study; study = study->next)
        study_cancel_fetch(study, NULL);
}

// Calls end by themselves within moments; those of a silent coordinator are cancelled.
static void wait_for_rest(struct host *host)
{
    int64_t cancel_at_ms = clock_monotonic_ms() + 500;
    pthread_mutex_lock(&host->lock);
    while (!at_rest(host)) {
        if (clock_monotonic_ms() > cancel_at_ms) {
            cancel_all(host);
            cancel_at_ms = INT64_MAX;
        }
        pthread_mutex_unlock(&host->lock);
        usleep(1000);
        pthread_mutex_lock(&host->lock);
    }
    pthread_mutex_unlock(&host->lock);
}

static void release_learner(struct learner *learner)
{
    learner_leave_study(learner);
    memory_free(learner->enrol_yaml);
    memory_free(learner->enrol_defaults);
}

struct host *host_free(struct host *host)
{
    if (!host)
        return NULL;
    if (host->timing) {
        say_goodbye(host);
        pthread_join(host->timer, NULL);
        wait_for_rest(host);
    }
    pool_free(host->pool);
    for (size_t i = 0; host->learners && i < host->n_learners; i++)
        release_learner(&host->learners[i]);
    peer_channels_free(host);
    peers_door_free(host->door);
    cross_lines_free(host->lines);
    cross_memory_unref(host->reads);
    cross_door_close(host->cross_door);
    if (host->channel)
        rpc_channel_free(host->channel);
    pthread_cond_destroy(&host->changed);
    pthread_mutex_destroy(&host->lock);
    memory_free(host->learners);
    return memory_free(host);
}
