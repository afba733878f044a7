// A fixed set of worker threads and a queue of jobs, first in, first out. Queue threads of lib/rpc hand work
// over here.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct pool;

// A unit of work embedded in its owner, who keeps it alive until `run` has been called.
struct pool_job {
    void (*run)(struct pool_job *job);
    struct pool_job *next;
};

// Starts `n_threads` workers (at least one).
enum status pool_new(struct pool **ret, size_t n_threads, const char *name, struct error *error);
// Queues `job`; never blocks. From any thread, also from a job.
void pool_post(struct pool *pool, struct pool_job *job);

// What a thread may do itself once it has left a lock, where waking a worker would take longer. All of it
// under that lock: begin, what may post, end.
struct pool_turn {
    bool open;
    struct pool_job *job;
};
void pool_turn_begin(struct pool_turn *turn);
// Keeps `job` for the end of the turn, where one has begun and the job is `quick`; else queues it.
void pool_turn_post(struct pool_turn *turn, bool quick, struct pool *pool, struct pool_job *job);
// The job to run without the lock; NULL: none.
struct pool_job *pool_turn_end(struct pool_turn *turn);

// Calls body(user, first, n) over [0, n) in steps of at most `step`, on this thread and on whichever workers
// are free, and returns when all is done. Also from a job: it never waits for a worker that has not begun.
void pool_for(struct pool *pool, size_t n, size_t step, void (*body)(void *user, size_t first, size_t n),
              void *user);
// Runs everything queued, then ends the workers. NULL is fine.
struct pool *pool_free(struct pool *pool);

// Cores that this process may use, as the scheduler's affinity and the cgroup's quota allow; at least 1.
size_t pool_n_cores(void);
