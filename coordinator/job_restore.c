// A coordinator that starts on the state folder of another, which may have been killed at any moment, goes on
// from what is in the journal: as if the last recorded round had just been committed.
#include "base/bytes.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "store/journal.h"
#include "store/safetensors.h"
#include <math.h>
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

// ---- notes ----------------------------------------------------------------------------------------------

void job_write_notes(const struct job *job, struct bytes *ret)
{
    const struct round_means means = job_round_means(job);
    bytes_format(ret, "means %a %a %a\n", means.train_loss, means.train_accuracy, means.parameter_distance);
    bytes_format(ret, "stop %d %a %u\n", job->stop.seen, job->stop.best, job->stop.since);
    if (job_between_peers(job))
        job_peers_write_notes(job, ret);
}

static void read_notes(struct job *job, const char *notes)
{
    struct round_means means = {(double)NAN, (double)NAN, (double)NAN};
    int seen = 0;
    sscanf(notes, "means %la %la %la\nstop %d %la %u", &means.train_loss, &means.train_accuracy,
           &means.parameter_distance, &seen, &job->stop.best, &job->stop.since);
    job->stop.seen = seen != 0;
    job_set_means(job, &means);
    if (job_between_peers(job))
        job_peers_read_notes(job, notes);
}

// ---- values ---------------------------------------------------------------------------------------------

static enum status differs(const char *path, struct error *error)
{
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' is not what the journal says it was; restore it from a copy, then start again",
                     path);
}

static enum status read_state(const struct job *job, struct version *ret, struct error *error)
{
    size_t n = (ret->n_values - ret->n_model) * sizeof(float);
    cleanup_free char *path = job_state_path(job, job->record.round);
    struct bytes bytes = BYTES_INIT;
    uint8_t sha256[SHA256_BYTES];
    if (n == 0)
        return STATUS_OK;
    if (!path)
        return error_no_memory(error, n);
    TRY(bytes_read_file(&bytes, path, n, error));
    sha256_of(bytes.data, bytes.n, sha256);
    bool same = bytes.n == n && memcmp(sha256, job->record.state, SHA256_BYTES) == 0;
    if (same)
        memcpy(ret->values + ret->n_model, bytes.data, n);
    bytes_release(&bytes);
    return same ? STATUS_OK : differs(path, error);
}

enum status job_restore_values(const struct job *job, const struct layout *layout, struct version *ret,
                               struct error *error)
{
    if (job_between_peers(job)) { // learners have the values
        ret->round = job->record.round;
        memcpy(ret->sha256, job->record.model, SHA256_BYTES);
        return STATUS_OK;
    }
    if (job->record.round == 0)
        return memcmp(ret->sha256, job->record.model, SHA256_BYTES) == 0
                   ? STATUS_OK
                   : error_set(error, STATUS_DATA_LOSS,
                               "the initial model of '%s' is another than before the restart; put the file "
                               "back that "
                               "model.weights named, or create the experiment anew",
                               job->id);
    cleanup_free char *path = job_model_path(job, job->record.round);
    if (!path)
        return error_no_memory(error, sizeof job->id);
    TRY(safetensors_load(path, layout, ret->values, error));
    TRY(version_hash(ret, ret->sha256, error));
    if (memcmp(ret->sha256, job->record.model, SHA256_BYTES) != 0)
        return differs(path, error);
    ret->round = job->record.round;
    TRY(read_state(job, ret, error));
    version_identify(ret, job->coordinator->pool);
    return STATUS_OK;
}

// ---- experiments ----------------------------------------------------------------------------------------

// The journal is a file that anyone may have written into: what it says names files, and is counted on.
static enum status damaged(const char *what, struct error *error)
{
    return error_set(error, STATUS_DATA_LOSS, "%s cannot be; restore the state folder from a copy", what);
}

static enum status check(const struct coordinator *coordinator, const struct journal_experiment *from,
                         struct error *error)
{
    if (!experiment_name_is_good(from->id) || job_find(coordinator, from->id))
        return damaged("that id", error);
    if (from->outcome < JOURNAL_RUNNING || from->outcome > ROUND_CANCELLED)
        return damaged("how it stands", error);
    return STATUS_OK;
}

static enum status restore_slot(void *user, const struct journal_slot *from, struct error *error)
{
    struct job *job = user;
    size_t n = strlen(from->name);
    if (from->slot >= job->n_slots || *job->slots[from->slot].name || n == 0 ||
        n >= sizeof job->slots[0].name)
        return damaged("who holds a place in it", error);
    if (from->member && (from->weight == 0 || from->weight > REDUCTION_WEIGHT_MAX))
        return damaged("the weight of a learner in it", error);
    snprintf(job->slots[from->slot].name, sizeof job->slots[0].name, "%s", from->name);
    job->n_free--;
    job->enrolled = true;
    if (from->member)
        round_restore_slot(job->round, from->slot, from->weight);
    return STATUS_OK;
}

static bool read_data(struct job *job, const struct journal_experiment *from)
{
    pb_istream_t stream = pb_istream_from_buffer(from->data, from->n_data);
    return from->n_data && pb_decode(&stream, cohort_v1_DataSignature_fields, &job->data);
}

static enum status fill(struct job *job, const struct journal_experiment *from, struct error *error)
{
    struct coordinator *coordinator = job->coordinator;
    snprintf(job->id, sizeof job->id, "%s", from->id);
    snprintf(job->request_id, sizeof job->request_id, "%s", from->request_id);
    snprintf(job->owner, sizeof job->owner, "%s", from->owner);
    snprintf(job->message, sizeof job->message, "%s", from->message);
    job->created_unix_ms = from->created_unix_ms;
    job->restored = true;
    job->recorded = from->has_record;
    if (from->has_record && from->record.round > (uint32_t)job->experiment.options.collaboration.rounds)
        return damaged("the round that its record is of", error);
    if (from->has_record)
        job->record = from->record;
    job->n_committed_summaries = job->record.summaries;
    if (from->has_record) // where that was what the process was killed before
        job_forget_old(job, job->record.round);
    bytes_release(&job->yaml); // learners know the experiment by its text: the very same one
    bytes_text(&job->yaml, from->yaml);
    if (job->yaml.failed)
        return error_no_memory(error, strlen(from->yaml));
    read_notes(job, from->notes);
    if (from->outcome != JOURNAL_RUNNING) {
        round_restore_outcome(job->round, (enum round_outcome)from->outcome, job->record.round);
        events_end(job->events);
        return STATUS_OK;
    }
    TRY(journal_each_slot(coordinator->journal, job->id, restore_slot, job, error));
    job_spool_look(job);
    if (from->paused)
        round_pause(job->round, 0);
    return STATUS_OK;
}

static void go_on(struct job *job)
{
    log_info("resuming", LOG_S("experiment", job->id), LOG_I("round", job->record.round));
    job->preparing = true;
    job_start_prepare(job);
}

static enum status restore(void *user, const struct journal_experiment *from, struct error *error)
{
    struct coordinator *coordinator = user;
    struct job *job = NULL;
    enum status status = check(coordinator, from, error);
    if (status == STATUS_OK)
        status = job_new(coordinator, from->yaml, &(struct experiment_origin){0}, &job, error);
    if (status == STATUS_OK)
        status = fill(job, from, error);
    if (status != STATUS_OK) {
        job_free(job);
        return error_prefix(error, "experiment '%.80s' of the journal", from->id);
    }
    *coordinator->jobs_end = job;
    coordinator->jobs_end = &job->next;
    coordinator->n_jobs++;
    job_event_state(job);
    if (!job_is_over(job) && read_data(job, from))
        go_on(job);
    return STATUS_OK;
}

enum status job_restore_all(struct coordinator *coordinator, struct error *error)
{
    coordinator_lock(coordinator);
    enum status status = journal_each_experiment(coordinator->journal, restore, coordinator, error);
    coordinator_unlock(coordinator);
    return status;
}

void job_restore_claim(struct coordinator *coordinator, struct member *member)
{
    for (struct job *job = coordinator->jobs; job; job = job->next) {
        if (!job->restored || job_is_over(job))
            continue;
        for (uint32_t slot = 0; slot < job->n_slots; slot++)
            if (strcmp(job->slots[slot].name, member->name) == 0) {
                member->claim = job;
                member->claimed_slot = slot;
                return;
            }
    }
}
