// What has come of a summary whose upload broke off: it is kept, so that its learner sends only the rest.
// What was held apart is given up at the commit at the latest, and leaves no trace. What was folded as it
// came is in the reduction: the round waits for the rest of it, which spares everyone from sending again.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include <string.h>

enum { KEPT_LEAST_BYTES = 64 << 10 }; // less is as well sent again

// Those of one process are the same for being of one round and attempt; another process proves it.
static bool is_same(const cohort_v1_SummaryHeader *a, const cohort_v1_SummaryHeader *b)
{
    bool hashed = a->sha256.size == SHA256_BYTES && b->sha256.size == SHA256_BYTES;
    if (a->round != b->round || a->attempt != b->attempt || a->bytes != b->bytes ||
        a->n_values != b->n_values || a->weight != b->weight || strcmp(a->codec, b->codec) != 0)
        return false;
    if (hashed)
        return memcmp(a->sha256.bytes, b->sha256.bytes, SHA256_BYTES) == 0;
    return a->incarnation == b->incarnation;
}

bool job_keep(struct job_upload *upload)
{
    struct job *job = upload->job;
    struct job_slot *slot = &job->slots[upload->slot];
    if (job_is_over(job) || !round_upload_counts(job->round, upload->slot, upload->round, upload->attempt) ||
        round_slot(job->round, upload->slot)->doomed || upload_fault(upload->upload)->status != STATUS_OK ||
        upload_received(upload->upload) < KEPT_LEAST_BYTES || slot->kept)
        return false;
    struct job_upload *kept = memory_alloc(sizeof *kept);
    if (!kept)
        return false;
    *kept = *upload;
    kept->call = NULL;
    kept->kept_ms = clock_monotonic_ms();
    upload->upload = NULL;
    if (slot->upload == upload)
        slot->upload = NULL;
    slot->kept = kept;
    job->n_kept++;
    if (slot->member)
        slot->member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    if (job->rules.continuous || upload_is_held(kept->upload))
        round_upload_broken(job->round, kept->slot, false, kept->kept_ms);
    else
        round_upload_paused(job->round, kept->slot, kept->kept_ms);
    return true;
}

// The kept upload, which is the caller's from now on; NULL when there is none.
static struct job_upload *detach(struct job *job, uint32_t slot)
{
    struct job_upload *kept = job->slots[slot].kept;
    job->slots[slot].kept = NULL;
    job->n_kept -= kept != NULL;
    return kept;
}

bool job_kept_is_of(const struct job *job, uint32_t slot, const cohort_v1_SummaryHeader *header)
{
    const struct job_upload *kept = job->slots[slot].kept;
    return kept && is_same(&kept->header, header);
}

uint64_t job_kept_bytes(const struct job *job, uint32_t slot)
{
    const struct job_upload *kept = job->slots[slot].kept;
    return kept ? upload_received(kept->upload) : job->slots[slot].spooled_bytes;
}

void job_kept_resume(struct job *job, struct job_upload *ret)
{
    struct job_upload *kept = detach(job, ret->slot);
    int64_t now_ms = clock_monotonic_ms();
    ret->upload = kept->upload;
    ret->spool = kept->spool;
    ret->hash = kept->hash;
    const cohort_v1_SummaryHeader told = ret->header;
    ret->header.sha256 = kept->header.sha256;
    job_upload_note_hash(ret, &told); // it may be known only now
    memory_free(kept);
    if (round_slot(job->round, ret->slot)->paused)
        round_upload_resumed(job->round, ret->slot, now_ms);
    else
        round_upload_begun(job->round, ret->slot, upload_is_held(ret->upload), now_ms);
}

void job_kept_forget(struct job *job)
{
    for (uint32_t slot = 0; job->n_kept && slot < job->n_slots; slot++) {
        struct job_upload *kept = detach(job, slot);
        if (kept)
            job_upload_release(kept);
        memory_free(kept);
    }
}

void job_kept_give_up(struct job *job, uint32_t slot)
{
    struct job_upload *kept = detach(job, slot);
    if (!kept)
        return;
    bool spoilt = job_upload_release(kept);
    memory_free(kept);
    if (round_slot(job->round, slot)->paused)
        round_upload_broken(job->round, slot, spoilt, clock_monotonic_ms());
}

// In step, what is not waited for costs nothing until the commit, and a round without deadline waits for its
// learner in any case. Otherwise a summary holds a model that is gone by.
static bool is_due(const struct job *job, const struct job_upload *kept, int64_t now_ms)
{
    if (now_ms - kept->kept_ms <= LEASE_PATIENCE * job->coordinator->options->lease_ms)
        return false;
    return job->rules.continuous ||
           (round_slot(job->round, kept->slot)->paused && now_ms >= round_deadline(job->round));
}

void job_kept_expire(struct job *job, int64_t now_ms)
{
    for (uint32_t slot = 0; job->n_kept && slot < job->n_slots; slot++)
        if (job->slots[slot].kept && is_due(job, job->slots[slot].kept, now_ms))
            job_kept_give_up(job, slot);
}
