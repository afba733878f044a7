// What of an experiment outlives the process: the journal's side of it. Files first, then the record that
// makes them count: whatever is killed in between, the record of a round names a model that is there.
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include "store/journal.h"
#include "store/safetensors.h"
#include <fcntl.h>
#include <inttypes.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_LEAST_MS = 100, RETRY_MOST_MS = 5000, LOOK_MS = 50 };

static struct journal_experiment describe(const struct job *job)
{
    return (struct journal_experiment){
        .id = job->id,
        .request_id = job->request_id,
        .owner = job->owner,
        .yaml = job->yaml.data,
        .created_unix_ms = job->created_unix_ms,
        .outcome = job_is_over(job) ? (int)round_outcome(job->round) : JOURNAL_RUNNING,
        .paused = round_pausing(job->round),
        .message = job->message,
    };
}

static void complain(const struct job *job, const char *what, const struct error *error)
{
    log_error(what, LOG_S("experiment", job->id), LOG_S("error", error->message));
}

// ---- under the lock -------------------------------------------------------------------------------------

enum status job_journal_admit(struct job *job, struct error *error)
{
    const struct journal_experiment experiment = describe(job);
    return job->coordinator->journal ? journal_add(job->coordinator->journal, &experiment, error) : STATUS_OK;
}

void job_journal_state(struct job *job)
{
    struct error error = ERROR_INIT;
    const struct journal_experiment experiment = describe(job);
    bool again = job->state_unwritten;
    if (!job->coordinator->journal || job->unreadable)
        return;
    job->state_unwritten = journal_set_state(job->coordinator->journal, &experiment, &error) != STATUS_OK;
    if (job->state_unwritten)
        complain(job, "the disk refuses how the experiment stands; trying again", &error);
    else if (again)
        log_info("how the experiment stands is written down now", LOG_S("experiment", job->id));
}

static enum status write_slots(struct job *job, struct error *error)
{
    if (!job->coordinator->journal || !job->slots_changed)
        return STATUS_OK;
    struct journal_slot *slots = memory_array(job->n_slots, sizeof *slots);
    size_t n = 0;
    for (uint32_t i = 0; slots && i < job->n_slots; i++) {
        const struct slot *slot = round_slot(job->round, i);
        if (*job->slots[i].name)
            slots[n++] = (struct journal_slot){.slot = i,
                                               .name = job->slots[i].name,
                                               .weight = slot->weight,
                                               .member = slot->state != SLOT_EMPTY};
    }
    enum status status = slots ? journal_set_slots(job->coordinator->journal, job->id, slots, n, error)
                               : error_no_memory(error, job->n_slots * sizeof *slots);
    memory_free(slots);
    job->slots_changed = status != STATUS_OK;
    return status;
}

void job_journal_slots(struct job *job)
{
    struct error error = ERROR_INIT;
    if (write_slots(job, &error) != STATUS_OK)
        complain(job, "the disk refuses who takes part; trying again before the round is committed", &error);
}

// ---- patience -------------------------------------------------------------------------------------------

// Whether it is still worth trying, after a pause.
static bool wait_to_retry(struct job *job, int64_t ms, const struct error *error)
{
    struct coordinator *coordinator = job->coordinator;
    int64_t until_ms = clock_monotonic_ms() + ms;
    bool wanted = true;
    while (wanted && clock_monotonic_ms() < until_ms) {
        coordinator_lock(coordinator);
        snprintf(job->stalled, sizeof job->stalled, "%.255s", error->message);
        wanted = !coordinator->ending && !job_is_over(job);
        coordinator_unlock(coordinator);
        usleep(LOOK_MS * 1000);
    }
    return wanted;
}

enum status job_try_until_done(struct job *job, job_attempt *attempt, void *context, struct error *error)
{
    enum status status = attempt(job, context, error);
    for (int64_t ms = RETRY_LEAST_MS; status == STATUS_RESOURCE_EXHAUSTED || status == STATUS_INTERNAL;
         ms *= 2) {
        complain(job, "the disk refuses; trying again", error);
        if (!wait_to_retry(job, ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS, error))
            return status;
        *error = ERROR_INIT;
        status = attempt(job, context, error);
    }
    coordinator_lock(job->coordinator);
    *job->stalled = '\0';
    coordinator_unlock(job->coordinator);
    return status;
}

// ---- the first record -----------------------------------------------------------------------------------

// The folder's own name is durable once the one above is.
static enum status make_folder(const struct job *job, struct error *error)
{
    cleanup_free char *folder = memory_format("%s/%s", job->coordinator->options->state_folder, job->id);
    if (!folder)
        return error_no_memory(error, sizeof job->id);
    TRY(file_make_folder(folder, error));
    int fd = open(job->coordinator->options->state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && job->coordinator->options->sync)
        fsync(fd);
    if (fd >= 0)
        close(fd);
    return STATUS_OK;
}

static enum status begin(struct job *job, void *context, struct error *error)
{
    const struct version *first = context;
    uint8_t data[cohort_v1_DataSignature_size];
    pb_ostream_t stream = pb_ostream_from_buffer(data, sizeof data);
    struct record record = {0};
    TRY(make_folder(job, error));
    if (!pb_encode(&stream, cohort_v1_DataSignature_fields, &job->data))
        return error_set(error, STATUS_INVALID_ARGUMENT, "the learners' data cannot be described: %s",
                         PB_GET_ERROR(&stream));
    sha256_of(job->yaml.data, job->yaml.n, record.inputs);
    memcpy(record.model, first->sha256, SHA256_BYTES);
    record_seal(&record);
    const struct journal_experiment experiment = {
        .id = job->id, .data = data, .n_data = stream.bytes_written};
    TRY(journal_begin(job->coordinator->journal, &experiment, &record, error));
    coordinator_lock(job->coordinator);
    job->record = record;
    job->recorded = true;
    coordinator_unlock(job->coordinator);
    return STATUS_OK;
}

enum status job_journal_begin(struct job *job, struct version *first, struct error *error)
{
    if (!job->coordinator->journal)
        return STATUS_OK;
    return job_try_until_done(job, begin, first, error);
}

// ---- a round --------------------------------------------------------------------------------------------

struct committed {
    uint32_t number, attempt;
    struct record record;
    struct bytes notes;
};

// Who contributed, with what weight: in the order of slots.
static void add_inputs(const struct job *job, struct record *ret)
{
    struct sha256 *hash = sha256_new();
    char line[128];
    for (uint32_t slot = 0; hash && slot < job->n_slots; slot++) {
        if (!round_slot(job->round, slot)->counted ||
            (job_between_peers(job) && !job_peers_took_part(job, slot)))
            continue;
        uint64_t weight = job->slots[slot].report.weight;
        int n =
            snprintf(line, sizeof line, "%" PRIu32 " %s %" PRIu64 "\n", slot, job->slots[slot].name, weight);
        sha256_add(hash, line, (size_t)n);
        ret->weight += weight;
    }
    if (hash)
        sha256_finish(hash, ret->inputs);
    sha256_free(hash);
}

static enum status write_values(const struct job *job, uint32_t number, const struct version *version,
                                uint8_t ret_state[SHA256_BYTES], struct error *error)
{
    bool sync = job->coordinator->options->sync;
    cleanup_free char *path = job_model_path(job, number), *state = job_state_path(job, number);
    if (!path || !state)
        return error_no_memory(error, 256);
    TRY(safetensors_write(path, &job->layout, version->values, sync, NULL, error));
    size_t n = (version->n_values - version->n_model) * sizeof(float);
    if (n == 0)
        return STATUS_OK;
    sha256_of(version->values + version->n_model, n, ret_state);
    return file_write(state, version->values + version->n_model, n, sync, error);
}

// Removes what one round left and, where a process was killed before it came to this, those before it.
static void forget(const struct job *job, int64_t number,
                   char *path_of(const struct job *job, uint32_t number))
{
    bool gone = false;
    for (; number > 0 && !gone; number--) {
        cleanup_free char *path = path_of(job, (uint32_t)number);
        gone = !path || unlink(path) != 0;
    }
}

// A round's state is needed until the next one is committed, its model as long as was asked for.
void job_forget_old(const struct job *job, uint32_t number)
{
    int64_t keep = job->coordinator->options->keep_models;
    forget(job, (int64_t)number - 1, job_state_path);
    if (keep)
        forget(job, (int64_t)number - keep, job_model_path);
}

static enum status commit(struct job *job, void *context, struct error *error)
{
    struct committed *committed = context;
    struct record record = committed->record;
    int64_t begun_ns = trace_begin();
    coordinator_lock(
        job->coordinator); // a record must not stand beside learners that are not those who made it
    enum status status = write_slots(job, error);
    coordinator_unlock(job->coordinator);
    if (status != STATUS_OK)
        return status;
    if (!job_between_peers(job)) // there, learners have the models
        TRY(write_values(job, committed->number, job->committing, record.state, error));
    record_seal(&record);
    TRY(journal_commit(job->coordinator->journal, job->id, &record, committed->attempt, committed->notes.data,
                       error));
    committed->record = record;
    trace_end("store", begun_ns, JOB_TRACK_ROUNDS, committed->number);
    return STATUS_OK;
}

static void look(struct job *job, uint32_t number, const uint8_t sha256[SHA256_BYTES], struct committed *ret)
{
    coordinator_lock(job->coordinator);
    *ret = (struct committed){.number = number, .attempt = round_attempt(job->round)};
    ret->record.round = number;
    ret->record.summaries = job->n_committed_summaries;
    memcpy(ret->record.model, sha256, SHA256_BYTES);
    memcpy(ret->record.previous, job->record.hash, SHA256_BYTES);
    add_inputs(job, &ret->record);
    job_write_notes(job, &ret->notes);
    coordinator_unlock(job->coordinator);
}

enum status job_journal_commit(struct job *job, uint32_t number, const uint8_t sha256[SHA256_BYTES],
                               struct error *error)
{
    struct committed committed;
    if (!job->coordinator->journal)
        return STATUS_OK;
    look(job, number, sha256, &committed);
    enum status status = committed.notes.failed ? error_no_memory(error, committed.notes.n)
                                                : job_try_until_done(job, commit, &committed, error);
    bytes_release(&committed.notes);
    if (status != STATUS_OK)
        return status;
    coordinator_lock(job->coordinator);
    job->record = committed.record;
    coordinator_unlock(job->coordinator);
    fault_step();
    job_forget_old(job, number);
    job_spool_forget(job);
    return STATUS_OK;
}
