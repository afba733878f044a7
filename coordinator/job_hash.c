// The hash of a round's model, made beside the next round.
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include <string.h>
#include <unistd.h>

enum { WAIT_VALUES_MIN = 1 << 16, RETRY_MS = 100 };

bool job_hash_can_wait(const struct job *job, uint32_t number)
{
    return !job->coordinator->journal && job->current->n_model >= WAIT_VALUES_MIN &&
           number < (uint32_t)job->experiment.options.collaboration.rounds;
}

void job_hash_tell(struct job *job, const uint8_t sha256[SHA256_BYTES])
{
    memcpy(job->current->sha256, sha256, SHA256_BYTES);
    job->current->hashed = true;
    job->told_round = job->current->round;
    memcpy(job->told_sha256, sha256, SHA256_BYTES);
}

static void complete_event(struct job *job)
{
    if (!job->early)
        return;
    sha256_hex(job->told_sha256, job->committed.event.round_committed.model_sha256);
    events_complete(job->events, job->early, &job->committed);
    job->early = NULL;
}

static void run_hash(struct pool_job *pool_job)
{
    struct job *job = container_of(pool_job, struct job, hash_job);
    struct error error = ERROR_INIT;
    uint8_t sha256[SHA256_BYTES];
    int64_t begun_ns = trace_begin();
    while (version_hash(job->hashing, sha256, &error) != STATUS_OK) {
        log_error("cannot hash the model; trying again", LOG_S("experiment", job->id),
                  LOG_S("error", error.message));
        usleep(RETRY_MS * 1000);
    }
    trace_end("hash", begun_ns, JOB_TRACK_HASHES, job->hashing->round);
    coordinator_lock(job->coordinator);
    job_hash_tell(job, sha256);
    complete_event(job);
    job->hashing = version_unref(job->hashing);
    pthread_cond_broadcast(&job->coordinator->hashed);
    coordinator_unlock(job->coordinator);
}

void job_hash_start(struct job *job)
{
    job->hashing = version_ref(job->current);
    job->hash_job.run = run_hash;
    pool_post(job->coordinator->pool, &job->hash_job);
}

void job_hash_await(struct job *job)
{
    // It was posted before whoever waits, so a worker has it: the wait ends, also with one worker only.
    coordinator_lock(job->coordinator);
    while (job->hashing)
        pthread_cond_wait(&job->coordinator->hashed, &job->coordinator->lock);
    coordinator_unlock(job->coordinator);
}
