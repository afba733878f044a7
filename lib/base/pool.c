#include "base/pool.h"
#include "base/memory.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

struct pool {
    pthread_mutex_t lock; // guards the queue and `ending`
    pthread_cond_t changed;
    struct pool_job *first, *last;
    bool ending;
    size_t n_threads;
    pthread_t threads[];
};

static void *work(void *argument)
{
    struct pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_job *job = pool->first;
        if (!job) {
            if (pool->ending)
                break;
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        pool->first = job->next;
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum status pool_new(struct pool **ret, size_t n_threads, const char *name, struct error *error)
{
    if (n_threads == 0)
        n_threads = 1;
    struct pool *pool = memory_zalloc(sizeof *pool + n_threads * sizeof pool->threads[0]);
    if (!pool)
        return error_no_memory(error, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (; pool->n_threads < n_threads; pool->n_threads++) {
        int failed = pthread_create(&pool->threads[pool->n_threads], NULL, work, pool);
        if (failed) {
            pool_free(pool);
            return error_errno(error, failed, "cannot start a thread of", name);
        }
        char label[16];
        snprintf(label, sizeof label, "%s", name);
        pthread_setname_np(pool->threads[pool->n_threads], label);
    }
    *ret = pool;
    return STATUS_OK;
}

void pool_post(struct pool *pool, struct pool_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->first)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

struct pool *pool_free(struct pool *pool)
{
    if (!pool)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    return memory_free(pool);
}

void pool_turn_begin(struct pool_turn *turn)
{
    *turn = (struct pool_turn){.open = true};
}

void pool_turn_post(struct pool_turn *turn, bool quick, struct pool *pool, struct pool_job *job)
{
    if (turn->open && quick && !turn->job)
        turn->job = job;
    else
        pool_post(pool, job);
}

struct pool_job *pool_turn_end(struct pool_turn *turn)
{
    struct pool_job *job = turn->job;
    *turn = (struct pool_turn){.open = false};
    return job;
}

// ---- one loop by many -----------------------------------------------------------------------------------

struct loop {
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t idle;
    size_t next, n, step;
    size_t n_running;    // threads inside the body
    size_t n_references; // the caller's and each queued helper's
    void (*body)(void *user, size_t first, size_t n);
    void *user;
};

struct helper {
    struct pool_job job;
    struct loop *loop;
};

static void loop_unref(struct loop *loop) // the lock is held
{
    bool last = --loop->n_references == 0;
    pthread_mutex_unlock(&loop->lock);
    if (!last)
        return;
    pthread_cond_destroy(&loop->idle);
    pthread_mutex_destroy(&loop->lock);
    memory_free(loop);
}

static void loop_share(struct loop *loop) // the lock is held
{
    loop->n_running++;
    while (loop->next < loop->n) {
        size_t first = loop->next, n = loop->n - first < loop->step ? loop->n - first : loop->step;
        loop->next += n;
        pthread_mutex_unlock(&loop->lock);
        loop->body(loop->user, first, n);
        pthread_mutex_lock(&loop->lock);
    }
    if (--loop->n_running == 0)
        pthread_cond_signal(&loop->idle);
}

static void help(struct pool_job *job)
{
    struct helper *helper = (struct helper *)job;
    pthread_mutex_lock(&helper->loop->lock);
    loop_share(helper->loop);
    loop_unref(helper->loop);
    memory_free(helper);
}

static void call_for_help(struct pool *pool, struct loop *loop)
{
    size_t n_steps = (loop->n + loop->step - 1) / loop->step;
    for (size_t i = 1; i < pool->n_threads && i < n_steps; i++) {
        struct helper *helper = memory_zalloc(sizeof *helper);
        if (!helper)
            return; // fewer hands
        *helper = (struct helper){.job = {.run = help}, .loop = loop};
        loop->n_references++;
        pool_post(pool, &helper->job);
    }
}

void pool_for(struct pool *pool, size_t n, size_t step, void (*body)(void *user, size_t first, size_t n),
              void *user)
{
    struct loop *loop = memory_zalloc(sizeof *loop);
    if (!loop) {
        for (size_t first = 0; first < n; first += step)
            body(user, first, n - first < step ? n - first : step);
        return;
    }
    *loop = (struct loop){.n = n, .step = step, .body = body, .user = user, .n_references = 1};
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->idle, NULL);
    pthread_mutex_lock(&loop->lock);
    call_for_help(pool, loop);
    loop_share(loop);
    while (loop->n_running)
        pthread_cond_wait(&loop->idle, &loop->lock);
    loop_unref(loop);
}

// The cgroup's CPU quota in whole cores, rounded up; 0 for none.
static size_t quota_cores(void)
{
    long quota = -1, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file) {
        if (fscanf(file, "%ld %ld", &quota, &period) != 2)
            quota = -1;
        fclose(file);
    }
    return quota > 0 && period > 0 ? (size_t)((quota + period - 1) / period) : 0;
}

size_t pool_n_cores(void)
{
    cpu_set_t cores;
    size_t n = sched_getaffinity(0, sizeof cores, &cores) ? 1 : (size_t)CPU_COUNT(&cores);
    size_t quota = quota_cores();
    return quota && quota < n ? quota : n ? n : 1;
}
