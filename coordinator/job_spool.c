// Summaries that come slowly are also written to the state folder, from which an upload goes on, or a whole
// one counts, when the coordinator was killed, and when a collection is started over. Which ones are slow the
// first chunk tells: all others are sent again in less time than it would be worth, and no disk is in the way
// of a fast link.
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The first chunk takes SLOW_MS, and the whole, at that rate, PAYS_MS.
enum { SLOW_MS = 50, PAYS_MS = 10000 };

static char *path_of(const struct job *job, uint32_t slot)
{
    return memory_format("%s/%s/upload-%06u.part", job->coordinator->options->state_folder, job->id, slot);
}

static struct spool_identity identity_of(const cohort_v1_SummaryHeader *header)
{
    struct spool_identity identity = {
        .round = header->round,
        .weight = header->weight,
        .bytes = header->bytes,
        .has_sha256 = header->sha256.size == SHA256_BYTES,
    };
    snprintf(identity.learner, sizeof identity.learner, "%s", header->learner);
    snprintf(identity.codec, sizeof identity.codec, "%s", header->codec);
    if (identity.has_sha256)
        memcpy(identity.sha256, header->sha256.bytes, SHA256_BYTES);
    return identity;
}

static void complain(const struct job *job, const struct error *error)
{
    log_warn("an upload is kept in memory alone", LOG_S("experiment", job->id),
             LOG_S("error", error->message));
}

// ---- room -----------------------------------------------------------------------------------------------

// Under the lock. The slot's file is there, or about to be.
static bool reserve(struct job *job, uint32_t slot, uint64_t bytes)
{
    struct coordinator *coordinator = job->coordinator;
    struct job_slot *it = &job->slots[slot];
    uint64_t others = coordinator->spooled_bytes - it->spool_room;
    if (others + bytes > (uint64_t)coordinator->options->upload_bytes)
        return false;
    coordinator->spooled_bytes = others + bytes;
    it->spool_room = bytes;
    return true;
}

static void unreserve(struct job *job, uint32_t slot)
{
    job->coordinator->spooled_bytes -= job->slots[slot].spool_room;
    job->slots[slot].spool_room = job->slots[slot].spooled_bytes = 0;
}

void job_spool_drop(struct job *job, uint32_t slot)
{
    if (job->slots[slot].spool_room == 0)
        return;
    cleanup_free char *path = path_of(job, slot);
    if (path)
        unlink(path);
    unreserve(job, slot);
}

// The path of the next file that is there, which counts as gone from now on; NULL: there is none.
static char *take_path(struct job *job, uint32_t *slot)
{
    char *path = NULL;
    coordinator_lock(job->coordinator);
    while (job->coordinator->spooled_bytes && *slot < job->n_slots && job->slots[*slot].spool_room == 0)
        ++*slot;
    if (job->coordinator->spooled_bytes && *slot < job->n_slots) {
        path = path_of(job, *slot);
        unreserve(job, *slot);
    }
    coordinator_unlock(job->coordinator);
    return path;
}

// Removing a large file takes a while.
void job_spool_forget(struct job *job)
{
    uint32_t slot = 0;
    for (char *path; (path = take_path(job, &slot)); memory_free(path))
        unlink(path);
}

// ---- writing --------------------------------------------------------------------------------------------

bool job_spool_pays(const struct job_upload *upload, size_t chunk_bytes)
{
    const struct job *job = upload->job;
    int64_t took_ms = clock_monotonic_ms() - upload->begun_ms;
    return job->coordinator->journal && !job->rules.continuous && !upload->spool &&
           upload_received(upload->upload) == 0 && took_ms >= SLOW_MS &&
           (double)took_ms * (double)upload->bytes > (double)PAYS_MS * (double)chunk_bytes;
}

static enum status create(struct job_upload *upload, struct error *error)
{
    const struct spool_identity identity = identity_of(&upload->header);
    const struct job *job = upload->job;
    cleanup_free char *path = path_of(job, upload->slot);
    if (!path)
        return error_no_memory(error, sizeof job->id);
    return spool_create(&upload->spool, path, &identity, error);
}

void job_spool_begin(struct job_upload *upload)
{
    struct job *job = upload->job;
    struct error error = ERROR_INIT;
    if (!round_upload_counts(job->round, upload->slot, upload->round, upload->attempt) ||
        !reserve(job, upload->slot, upload->bytes))
        return;
    if (create(upload, &error) != STATUS_OK) {
        complain(job, &error);
        job_spool_drop(job, upload->slot);
    }
}

bool job_upload_take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct job_upload *upload = user;
    struct error error = ERROR_INIT;
    if (!upload_take(upload->upload, offset, run, bytes))
        return false;
    if (upload->hash)
        sha256_add(upload->hash, run, bytes);
    if (upload->spool && spool_append(upload->spool, run, bytes, &error) != STATUS_OK) {
        complain(upload->job, &error); // what is there is too short to be gone on with: another hash, or none
        upload->spool = spool_close(upload->spool);
    }
    return true;
}

void job_upload_note_hash(struct job_upload *upload, const cohort_v1_SummaryHeader *header)
{
    struct error error = ERROR_INIT;
    if (header->sha256.size != SHA256_BYTES || upload->header.sha256.size)
        return;
    upload->header.sha256 = header->sha256;
    if (upload->spool && spool_set_sha256(upload->spool, header->sha256.bytes, &error) != STATUS_OK) {
        complain(upload->job, &error);
        upload->spool = spool_close(upload->spool);
    }
}

enum status job_upload_check_hash(struct job_upload *upload, struct error *error)
{
    uint8_t sha256[SHA256_BYTES];
    if (!upload->hash)
        return STATUS_OK;
    sha256_finish(upload->hash, sha256);
    if (memcmp(sha256, upload->header.sha256.bytes, SHA256_BYTES) == 0)
        return STATUS_OK;
    coordinator_lock(upload->job->coordinator);
    upload->spool = spool_close(upload->spool);
    job_spool_drop(upload->job, upload->slot);
    coordinator_unlock(upload->job->coordinator);
    return error_set(
        error, STATUS_ABORTED,
        "what was kept of the summary in the state folder is damaged; send it from its beginning");
}

// ---- after a restart ------------------------------------------------------------------------------------

void job_spool_look(struct job *job)
{
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        struct spool *spool = NULL;
        struct error error = ERROR_INIT;
        cleanup_free char *path = path_of(job, slot);
        if (!path || !file_exists(path))
            continue;
        if (spool_open(&spool, path, &error) == STATUS_OK &&
            spool_identity(spool)->round == job->record.round + 1 &&
            reserve(job, slot, spool_identity(spool)->bytes))
            job->slots[slot].spooled_bytes = spool_received(spool);
        else
            unlink(path);
        spool_close(spool);
    }
}

struct spool *job_spool_open(const struct job *job, uint32_t slot, const cohort_v1_SummaryHeader *header)
{
    const struct spool_identity wanted = identity_of(header);
    struct spool *spool = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *path = path_of(job, slot);
    if (job->slots[slot].spooled_bytes == 0 || !path || spool_open(&spool, path, &error) != STATUS_OK)
        return NULL;
    return spool_is_same(spool_identity(spool), &wanted) ? spool : spool_close(spool);
}
