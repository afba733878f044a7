// Exchange.OfferSummary: how much of a summary is here already. What the state folder has of it is taken out
// of its file first, in the pool, as if it had just come.
#include "base/memory.h"
#include "coordinator/job.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

struct replay {
    struct pool_job pool_job;
    struct rpc_call *call;
    struct job_upload upload;
};

static void answer(struct rpc_call *call, enum status status, uint64_t offset, cohort_v1_Reason reason,
                   const struct error *error)
{
    cohort_v1_OfferSummaryResponse response = cohort_v1_OfferSummaryResponse_init_zero;
    response.answer = status == STATUS_OK ? cohort_v1_OfferSummaryResponse_Answer_ANSWER_SEND
                      : status == STATUS_ALREADY_EXISTS
                          ? cohort_v1_OfferSummaryResponse_Answer_ANSWER_HAVE
                          : cohort_v1_OfferSummaryResponse_Answer_ANSWER_REFUSED;
    response.offset = offset;
    response.reason = reason;
    snprintf(response.message, sizeof response.message, "%.500s", error->message);
    rpc_call_reply(call, cohort_v1_OfferSummaryResponse_fields, &response);
}

// Under the lock: what came out of the file is kept; what could not be read is sent again.
static uint64_t end_replay(struct job_upload *upload, enum status status, const struct error *error)
{
    struct job *job = upload->job;
    uint32_t slot = upload->slot;
    if (status == STATUS_OK && job_keep(upload))
        return job_kept_bytes(job, slot);
    if (status != STATUS_OK)
        job_spool_drop(job, slot);
    job_upload_end(upload, STATUS_CANCELLED, cohort_v1_Reason_REASON_UNSPECIFIED, error);
    return 0;
}

static void run_replay(struct pool_job *pool_job)
{
    struct replay *replay = container_of(pool_job, struct replay, pool_job);
    struct coordinator *coordinator = replay->upload.job->coordinator;
    struct spool *spool = replay->upload.spool;
    struct error error = ERROR_INIT;
    replay->upload.spool = NULL; // it is read, not written
    enum status status = spool_replay(spool, job_upload_take, &replay->upload, &error);
    replay->upload.spool = spool;
    coordinator_lock(coordinator);
    uint64_t offset = end_replay(&replay->upload, status, &error);
    coordinator_unlock(coordinator);
    error = ERROR_INIT;
    answer(replay->call, STATUS_OK, offset, cohort_v1_Reason_REASON_UNSPECIFIED, &error);
    rpc_call_unref(replay->call);
    memory_free(replay);
}

// Under the lock. False when there is nothing to take out.
static bool begin_replay(struct job *job, uint32_t slot, const cohort_v1_SummaryHeader *header,
                         struct rpc_call *call)
{
    cohort_v1_Reason reason;
    struct error error = ERROR_INIT;
    struct spool *spool = job_spool_open(job, slot, header);
    struct replay *replay = spool ? memory_zalloc(sizeof *replay) : NULL;
    struct sha256 *hash = replay ? sha256_new() : NULL;
    if (!hash ||
        job_upload_begin(job, header, 0, false, NULL, &replay->upload, &reason, &error) != STATUS_OK) {
        spool_close(spool);
        sha256_free(hash);
        memory_free(replay);
        return false;
    }
    replay->upload.spool = spool;
    replay->upload.hash = hash;
    replay->call = rpc_call_ref(call);
    replay->pool_job.run = run_replay;
    pool_post(job->coordinator->pool, &replay->pool_job);
    return true;
}

void offer_summary(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_SummaryHeader *header = &((const cohort_v1_OfferSummaryRequest *)message)->header;
    cohort_v1_Reason reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    struct error error = ERROR_INIT;
    enum status status = STATUS_NOT_FOUND;
    bool replays = false;
    uint64_t offset = 0;
    uint32_t slot;
    if (rpc_call_speaks_for(call, header->learner, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    coordinator_lock(coordinator);
    struct job *job = job_find_live(coordinator, header->experiment_id, &reason, &error);
    if (job)
        status = job_check_summary(job, header, &slot, &reason, &error);
    if (status == STATUS_OK && job_kept_is_of(job, slot, header))
        offset = job_kept_bytes(job, slot);
    else if (status == STATUS_OK && !job->slots[slot].kept)
        replays = begin_replay(job, slot, header, call);
    coordinator_unlock(coordinator);
    if (!replays)
        answer(call, status, offset, reason, &error);
}
