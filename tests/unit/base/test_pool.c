#include "base/pool.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

TestSuite(pool, .timeout = 60);

static struct pool *open_pool(size_t n_threads)
{
    struct pool *pool = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(pool_new(&pool, n_threads, "test", &error), STATUS_OK, "%s", error.message);
    return pool;
}

struct counting {
    struct pool_job job;
    atomic_uint *runs;
};

static void count(struct pool_job *job)
{
    atomic_fetch_add(((struct counting *)job)->runs, 1);
}

Test(pool, runs_every_job_once_before_it_is_freed)
{
    enum { JOBS = 1000 };
    static struct counting jobs[JOBS];
    atomic_uint runs = 0;
    struct pool *pool = open_pool(3);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct counting){.job = {.run = count}, .runs = &runs};
        pool_post(pool, &jobs[i].job);
    }
    cr_assert_null(pool_free(pool));
    cr_assert_eq(runs, JOBS);
}

Test(pool, a_turn_keeps_one_quick_job_and_queues_the_others)
{
    static struct counting jobs[4];
    struct pool_turn turn = {0};
    atomic_uint runs = 0;
    struct pool *pool = open_pool(1);
    for (size_t i = 0; i < 4; i++)
        jobs[i] = (struct counting){.job = {.run = count}, .runs = &runs};
    pool_turn_post(&turn, true, pool, &jobs[0].job); // nobody's turn
    pool_turn_begin(&turn);
    pool_turn_post(&turn, false, pool, &jobs[1].job);
    pool_turn_post(&turn, true, pool, &jobs[2].job);
    pool_turn_post(&turn, true, pool, &jobs[3].job);
    cr_assert_eq(pool_turn_end(&turn), &jobs[2].job);
    cr_assert_null(pool_turn_end(&turn));
    cr_assert_null(pool_free(pool));
    cr_assert_eq(runs, 3);
}

struct ordered {
    struct pool_job job;
    unsigned int number, *next;
    bool in_order;
};

static void note_order(struct pool_job *job)
{
    struct ordered *ordered = (struct ordered *)job;
    ordered->in_order = (*ordered->next)++ == ordered->number;
}

Test(pool, one_thread_runs_jobs_first_in_first_out)
{
    static struct ordered jobs[100];
    unsigned int next = 0;
    struct pool *pool = open_pool(1);
    for (unsigned int i = 0; i < 100; i++) {
        jobs[i] = (struct ordered){.job = {.run = note_order}, .number = i, .next = &next};
        pool_post(pool, &jobs[i].job);
    }
    pool_free(pool);
    for (unsigned int i = 0; i < 100; i++)
        cr_assert(jobs[i].in_order);
}

enum { RANGE = 10000 };

struct cover {
    atomic_uchar times[RANGE];
    size_t step;
    atomic_bool too_large;
};

static void cover_range(void *user, size_t first, size_t n)
{
    struct cover *cover = user;
    if (n > cover->step)
        atomic_store(&cover->too_large, true);
    for (size_t i = first; i < first + n; i++)
        atomic_fetch_add(&cover->times[i], 1);
}

static bool covered_once(const struct cover *cover, size_t n)
{
    for (size_t i = 0; i < RANGE; i++)
        if (cover->times[i] != (i < n))
            return false;
    return !cover->too_large;
}

Test(pool, for_covers_every_index_once)
{
    static const struct {
        size_t n_threads, n, step;
    } cases[] = {{1, RANGE, 1}, {2, RANGE, 7}, {4, RANGE, RANGE}, {3, 1, 100}, {8, 0, 5}, {3, 9999, 10000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct cover cover;
        cover = (struct cover){.step = cases[i].step};
        struct pool *pool = open_pool(cases[i].n_threads);
        pool_for(pool, cases[i].n, cases[i].step, cover_range, &cover);
        cr_assert(covered_once(&cover, cases[i].n), "case %zu", i);
        pool_free(pool);
    }
}

struct nested {
    struct pool_job job;
    struct pool *pool;
    struct cover cover;
    bool good;
};

static void loop_in_job(struct pool_job *job)
{
    struct nested *nested = (struct nested *)job;
    pool_for(nested->pool, RANGE, 100, cover_range, &nested->cover);
    nested->good = covered_once(&nested->cover, RANGE);
}

Test(pool, for_ends_inside_more_jobs_at_once_than_there_are_threads)
{
    static struct nested jobs[8];
    for (unsigned int repeat = 0; repeat < 20; repeat++) {
        struct pool *pool = open_pool(2);
        for (size_t i = 0; i < 8; i++) {
            jobs[i] = (struct nested){.job = {.run = loop_in_job}, .pool = pool, .cover = {.step = 100}};
            pool_post(pool, &jobs[i].job);
        }
        pool_free(pool);
        for (size_t i = 0; i < 8; i++)
            cr_assert(jobs[i].good);
    }
}

struct blocking {
    struct pool_job job;
    pthread_mutex_t *gate;
};

static void wait_at_gate(struct pool_job *job)
{
    pthread_mutex_t *gate = ((struct blocking *)job)->gate;
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
}

Test(pool, for_does_not_wait_for_workers_that_are_busy)
{
    static struct cover cover;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct blocking jobs[2] = {{{.run = wait_at_gate}, &gate}, {{.run = wait_at_gate}, &gate}};
    struct pool *pool = open_pool(2);
    pthread_mutex_lock(&gate);
    pool_post(pool, &jobs[0].job);
    pool_post(pool, &jobs[1].job);
    cover = (struct cover){.step = 10};
    pool_for(pool, RANGE, 10, cover_range, &cover);
    cr_assert(covered_once(&cover, RANGE));
    pthread_mutex_unlock(&gate);
    pool_free(pool);
}

Test(pool, at_least_one_core_is_there)
{
    cr_assert_geq(pool_n_cores(), 1);
    cr_assert_null(pool_free(NULL));
}
