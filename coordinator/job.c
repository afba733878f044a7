#include "coordinator/job.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- life -----------------------------------------------------------------------------------------------

static void choose_id(struct coordinator *coordinator, const char *name, char id[64])
{
    snprintf(id, 64, "%s", name);
    for (unsigned int n = 2; job_find(coordinator, id); n++)
        snprintf(id, 64, "%.50s-%u", name, n);
}

static enum status check_limits(const struct job *job, struct error *error)
{
    const struct collaboration_options *collaboration = &job->experiment.options.collaboration;
    int64_t most = job->coordinator->options->max_learners;
    if (collaboration->learners > most)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "collaboration.learners is %lld, but this coordinator serves at most %lld; raise "
                         "limits.learners in its configuration",
                         (long long)collaboration->learners, (long long)most);
    return STATUS_OK;
}

static void wake_timer(void *coordinator)
{
    coordinator_wake_timer(coordinator);
}

static enum status build(struct job *job, const char *yaml, const struct experiment_origin *origin,
                         struct error *error)
{
    TRY(experiment_receive(&job->experiment, yaml, origin, error));
    TRY(check_limits(job, error));
    job->rules = experiment_rules(&job->experiment.options);
    job->n_slots = job->n_free = (uint32_t)job->experiment.options.collaboration.learners;
    job->created_unix_ms = clock_unix_ms();
    job->wake_at_ms = INT64_MAX;
    experiment_dump(&job->experiment, &job->yaml);
    experiment_defaults(&job->experiment, &job->defaults);
    job->slots = memory_array(job->n_slots, sizeof *job->slots);
    job->events = events_new();
    job->round = job_make_round(job);
    if (!job->slots || !job->events || !job->round || job->yaml.failed || job->defaults.failed)
        return error_no_memory(error, job->n_slots * sizeof *job->slots);
    events_set_wake(job->events, wake_timer, job->coordinator);
    return job_peers_new(job, error);
}

enum status job_new(struct coordinator *coordinator, const char *yaml, const struct experiment_origin *origin,
                    struct job **ret, struct error *error)
{
    struct job *job = memory_zalloc(sizeof *job);
    if (!job)
        return error_no_memory(error, sizeof *job);
    job->coordinator = coordinator;
    enum status status = build(job, yaml, origin, error);
    if (status != STATUS_OK)
        job_free(job);
    else
        *ret = job;
    return status;
}

static struct job *find_request(const struct coordinator *coordinator, const char *request_id)
{
    for (struct job *job = coordinator->jobs; job && *request_id; job = job->next)
        if (strcmp(job->request_id, request_id) == 0)
            return job;
    return NULL;
}

enum status job_admit(struct job *job, const char *request_id, struct job **ret, struct error *error)
{
    struct coordinator *coordinator = job->coordinator;
    struct job *known = find_request(coordinator, request_id);
    if (known) {
        job_free(job);
        *ret = known;
        return STATUS_OK;
    }
    snprintf(job->request_id, sizeof job->request_id, "%s", request_id);
    choose_id(coordinator, job->experiment.options.name, job->id);
    enum status status = job_check_quota(job, error);
    if (status == STATUS_OK)
        status = job_journal_admit(job, error);
    if (status != STATUS_OK) {
        job_free(job);
        return status;
    }
    *coordinator->jobs_end = job;
    coordinator->jobs_end = &job->next;
    coordinator->n_jobs++;
    job_event_state(job);
    *ret = job;
    return STATUS_OK;
}

struct job *job_free(struct job *job)
{
    if (!job)
        return NULL;
    for (uint32_t slot = 0; job->slots && slot < job->n_slots; slot++)
        job_drop_parked(job, slot);
    job_kept_forget(job);
    round_free(job->round);
    job_peers_free(job);
    events_free(job->events);
    memory_free(job->slots);
    ingest_unref(job->ingest);
    ingest_unref(job->reducing);
    version_unref(job->current);
    version_unref(job->retired);
    rpc_encoded_free(job->assignment);
    downlink_release(&job->downlink);
    version_unref(job->evaluating);
    workspace_free(job->test.workspace);
    layout_release(&job->layout);
    model_free(job->model);
    dataset_release(&job->test.dataset);
    bytes_release(&job->yaml);
    bytes_release(&job->defaults);
    experiment_release(&job->experiment);
    return memory_free(job);
}

struct job *job_find(const struct coordinator *coordinator, const char *id)
{
    for (struct job *job = coordinator->jobs; job; job = job->next)
        if (strcmp(job->id, id) == 0)
            return job;
    return NULL;
}

struct job *job_find_live(const struct coordinator *coordinator, const char *id, cohort_v1_Reason *ret_reason,
                          struct error *error)
{
    struct job *job = job_find(coordinator, id);
    if (job && !job_is_over(job))
        return job;
    *ret_reason = job ? cohort_v1_Reason_REASON_WRONG_STATE : cohort_v1_Reason_REASON_UNKNOWN_EXPERIMENT;
    error_set(error, STATUS_NOT_FOUND, job ? "experiment '%s' is over" : "there is no experiment '%s'", id);
    return NULL;
}

bool job_is_over(const struct job *job)
{
    return round_phase(job->round) == ROUND_DONE;
}

static const char *why_failed(const struct job *job)
{
    return round_n_submitted(job->round) < round_minimum(job->round)
               ? "fewer learners than the minimum could deliver a summary; see the rejected summaries, or "
                 "lower collaboration.participation.minimum"
               : "the round could not be committed";
}

void job_release_test(struct job *job)
{
    if (!job_is_over(job) || job->testing)
        return;
    job->test.workspace = workspace_free(job->test.workspace);
    dataset_release(&job->test.dataset);
    job->test.present = false;
}

void job_end(struct job *job, enum round_outcome outcome, const char *message)
{
    if (!message && outcome == ROUND_FAILED)
        message = why_failed(job);
    if (!*job->message && message)
        snprintf(job->message, sizeof job->message, "%s", message);
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        struct member *member = job->slots[slot].member;
        if (!member)
            continue;
        member_dismiss(member, job->id, cohort_v1_Reason_REASON_UNSPECIFIED, "the experiment is over");
        member->job = NULL;
        member->state = cohort_v1_LearnerState_LEARNER_STATE_JOINED;
        job->slots[slot].member = NULL;
    }
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        job_evaluation_without(job, slot);
        job_drop_parked(job, slot);
    }
    job_kept_forget(job);
    for (uint32_t slot = 0; slot < job->n_slots; slot++)
        job_spool_drop(job, slot);
    job->ingest = ingest_unref(job->ingest); // uploads under way keep theirs
    job->retired = version_unref(job->retired);
    job->assignment = rpc_encoded_free(job->assignment);
    job_release_test(job);
    job_journal_state(job);
    job_event_state(job);
    events_end(job->events);
    coordinator_enrol(job->coordinator);
}

// ---- learners -------------------------------------------------------------------------------------------

void job_enrol(struct job *job, uint32_t slot, struct member *member)
{
    job->n_free -= !*job->slots[slot].name;
    snprintf(job->slots[slot].name, sizeof job->slots[slot].name, "%s", member->name);
    job->slots[slot].member = member;
    trace_name_track(JOB_TRACK_SLOTS + slot, member->name);
    job->slots_changed = true;
    if (job->slots[slot].upload && job->slots[slot].upload->header.incarnation != member->incarnation)
        job_upload_cancel(job, slot);
    member->job = job;
    member->slot = slot;
    member->claim = job;
    member->claimed_slot = slot;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_ENROLLED;
    cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
    message.which_event = cohort_v1_AttendResponse_enrol_tag;
    cohort_v1_Enrol *enrol = &message.event.enrol;
    snprintf(enrol->experiment_id, sizeof enrol->experiment_id, "%s", job->id);
    enrol->yaml = job->yaml.data;
    enrol->index = slot;
    enrol->learners = job->n_slots;
    enrol->has_resolved = true;
    enrol->resolved.defaults = job->defaults.data;
    snprintf(enrol->resolved.version, sizeof enrol->resolved.version, "%s", COHORT_VERSION);
    member_send(member, &message);
    job_event_learner(job, member, "");
}

static bool same_data(const cohort_v1_DataSignature *a, const cohort_v1_DataSignature *b)
{
    return a->sample_shape_count == b->sample_shape_count && a->target_values == b->target_values &&
           a->n_outputs == b->n_outputs && a->n_probe == b->n_probe &&
           a->probe_sha256.size == b->probe_sha256.size &&
           memcmp(a->probe_sha256.bytes, b->probe_sha256.bytes, a->probe_sha256.size) == 0 &&
           memcmp(a->sample_shape, b->sample_shape, a->sample_shape_count * sizeof a->sample_shape[0]) == 0;
}

static void format_data(const cohort_v1_DataSignature *data, char *ret, size_t bytes)
{
    struct shape shape = {.rank = data->sample_shape_count};
    for (unsigned int i = 0; i < shape.rank; i++)
        shape.extents[i] = data->sample_shape[i];
    char text[128];
    shape_format(&shape, text, sizeof text);
    char probe[SHA256_HEX_BYTES] = "", shown[64] = "";
    if (data->probe_sha256.size == SHA256_BYTES)
        sha256_hex(data->probe_sha256.bytes, probe);
    if (data->n_probe)
        snprintf(shown, sizeof shown, " and %llu probe samples %.8s", (unsigned long long)data->n_probe,
                 probe);
    snprintf(ret, bytes, "samples %s with %llu %s%s", text, (unsigned long long)data->n_outputs,
             data->target_values ? "target values" : "classes", shown);
}

enum status job_ready(struct job *job, struct member *member, const cohort_v1_DataSignature *data,
                      struct error *error)
{
    if (data->n_samples == 0 || data->n_samples > REDUCTION_WEIGHT_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "learner '%s' has %llu samples; it needs at least one", member->name,
                         (unsigned long long)data->n_samples);
    if (job_between_peers(job) && !*member->address)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "learner '%s' offers no service, but learners of this experiment exchange with each "
                         "other; set listen (and advertise) in its configuration",
                         member->name);
    if (job->preparing && !same_data(&job->data, data)) {
        char here[192], there[192];
        format_data(&job->data, there, sizeof there);
        format_data(data, here, sizeof here);
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "learner '%s' has %s, the experiment's first learner %s; check its data",
                         member->name, here, there);
    }
    member->data = *data;
    member->has_data = true;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    job->slots_changed = true;
    job_event_learner(job, member, "");
    if (!job->preparing) {
        job->preparing = true;
        job->data = *data;
        job_start_prepare(job);
    }
    enum weighting weighting = (enum weighting)job->experiment.options.collaboration.weighting;
    round_learner_ready(job->round, member->slot, weighting_expected(weighting, data->n_samples),
                        clock_monotonic_ms());
    return STATUS_OK;
}

static void declined_round(struct job *job, struct member *member, const char *message)
{
    job->n_rejected++;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    job_event_learner(job, member, message);
    job_upload_cancel(job, member->slot);
    job_kept_give_up(job, member->slot);
    round_declined(job->round, member->slot, clock_monotonic_ms());
}

void job_declined(struct job *job, struct member *member, uint32_t number, const char *message)
{
    if (number) {
        if (round_awaits(job->round, member->slot, number))
            declined_round(job, member, message);
        return;
    }
    // It cannot take part at all: the slot is free for another. Before the first round, who submitted the
    // experiment has a mistake to put right; later, one learner does not end what the others do.
    uint32_t slot = member->slot;
    member->job = NULL;
    member->declined = job;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_JOINED;
    job_event_learner(job, member, message);
    job_free_slot(job, slot);
    if (round_number(job->round) == 0) {
        snprintf(job->message, sizeof job->message, "learner '%.63s': %.400s", member->name, message);
        round_fail(job->round, clock_monotonic_ms());
    }
}

void job_free_slot(struct job *job, uint32_t slot)
{
    job_upload_cancel(job, slot);
    job_kept_give_up(job, slot);
    job_spool_drop(job, slot);
    job_drop_parked(job, slot);
    job->n_free += *job->slots[slot].name != '\0';
    *job->slots[slot].name = '\0';
    job->slots[slot].member = NULL;
    job->slots_changed = true;
    job->free_from = slot < job->free_from ? slot : job->free_from;
    round_learner_left(job->round, slot, clock_monotonic_ms());
    job_evaluation_without(job, slot);
    job_peers_lost(job, slot);
}

void job_member_lost(struct job *job, struct member *member, bool left)
{
    job->slots[member->slot].member = NULL;
    if (left)
        job_free_slot(job, member->slot);
    else
        round_learner_lost(job->round, member->slot, clock_monotonic_ms());
    job_evaluation_without(job, member->slot);
    job_peers_lost(job, member->slot);
}

// ---- events ---------------------------------------------------------------------------------------------

void job_event_state(struct job *job)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_state_changed_tag;
    event.event.state_changed.state = job_state(job);
    snprintf(event.event.state_changed.message, sizeof event.event.state_changed.message, "%s", job->message);
    text_clean(event.event.state_changed.message);
    events_add(job->events, &event);
}

void job_event_learner(struct job *job, const struct member *member, const char *message)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_learner_changed_tag;
    event.event.learner_changed.state = member->state;
    snprintf(event.event.learner_changed.learner, sizeof event.event.learner_changed.learner, "%s",
             member->name);
    snprintf(event.event.learner_changed.message, sizeof event.event.learner_changed.message, "%s", message);
    text_clean(event.event.learner_changed.message);
    events_add(job->events, &event);
}

void job_set_metric(struct job *job, const char *name, double value)
{
    pb_size_t i = 0;
    while (i < job->n_metrics && strcmp(job->metrics[i].name, name) != 0)
        i++;
    if (isnan(value) || i == JOB_METRICS_MAX)
        return;
    if (i == job->n_metrics)
        snprintf(job->metrics[job->n_metrics++].name, sizeof job->metrics[0].name, "%s", name);
    job->metrics[i].value = value;
}

enum status job_version(const struct job *job, uint32_t round, struct version **ret, struct error *error)
{
    if (!job->current)
        return error_set(error, STATUS_NOT_FOUND, "experiment '%s' has no model yet; wait for its learners",
                         job->id);
    if (job->evaluating && round == job->evaluating->round) {
        *ret = version_ref(job->evaluating);
        return STATUS_OK;
    }
    if (round != UINT32_MAX && round != job->current->round)
        return error_set(error, STATUS_NOT_FOUND,
                         "round %u's model of experiment '%s' is not kept; the last committed round is %u "
                         "(state.folder and "
                         "state.keep_models keep more)",
                         round, job->id, job->current->round);
    if (job_between_peers(job))
        return error_set(
            error, STATUS_FAILED_PRECONDITION,
            "experiment '%s' exchanges between learners and the coordinator holds no model; ask a "
            "learner for it (GetModel; ListLearners tells their addresses)",
            job->id);
    if (job->in_place)
        return error_set(error, STATUS_UNAVAILABLE,
                         "the model is being replaced by round %u's; try again in a moment",
                         round_number(job->round));
    *ret = version_ref(job->current);
    return STATUS_OK;
}

static char *path_of(const struct job *job, uint32_t round, const char *ending)
{
    const char *folder = job->coordinator->options->state_folder;
    return folder ? memory_format("%s/%s/round-%06u.%s", folder, job->id, round, ending) : NULL;
}

char *job_model_path(const struct job *job, uint32_t round)
{
    return path_of(job, round, "safetensors");
}

char *job_state_path(const struct job *job, uint32_t round)
{
    return path_of(job, round, "state");
}
