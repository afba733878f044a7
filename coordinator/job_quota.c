// How many experiments there may be, in all and of one user.
#include "coordinator/job.h"
#include <string.h>

static size_t count_open(const struct coordinator *coordinator, const char *owner)
{
    size_t n = 0;
    for (const struct job *job = coordinator->jobs; job; job = job->next)
        n += strcmp(job->owner, owner) == 0 && !job_is_over(job);
    return n;
}

enum status job_check_quota(const struct job *job, struct error *error)
{
    struct coordinator *coordinator = job->coordinator;
    size_t most = (size_t)coordinator->options->max_experiments_a_user;
    if (coordinator->n_jobs >= (size_t)coordinator->options->max_experiments)
        error_set(error, STATUS_RESOURCE_EXHAUSTED,
                  "the coordinator holds its limit of %lld experiments; raise limits.experiments",
                  (long long)coordinator->options->max_experiments);
    else if (most && count_open(coordinator, job->owner) >= most)
        error_set(
            error, STATUS_RESOURCE_EXHAUSTED,
            "'%s' has '%zu' experiments that are not over, as many as one user may; cancel some, or raise "
            "limits.experiments_a_user",
            job->owner, most);
    else
        return STATUS_OK;
    coordinator->n_experiments_refused++;
    return STATUS_RESOURCE_EXHAUSTED;
}
