// Taking part in an experiment: load the data, build the model, say ready.
#include "base/log.h"
#include "base/memory.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_MS = 500 };

void learner_tell_ready(struct learner *learner, bool anew)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_ready_tag;
    cohort_v1_Ready *ready = &request.event.ready;
    snprintf(ready->experiment_id, sizeof ready->experiment_id, "%s", learner->study->id);
    ready->anew = anew;
    ready->has_data = true;
    ready->data.n_samples = learner->part.n_samples;
    ready->data.target_values = learner->samples.dataset.target_type == TARGET_VALUES;
    ready->data.n_outputs = ready->data.target_values ? model_n_outputs(learner->variant->model)
                                                      : model_n_classes(learner->variant->model);
    ready->data.sample_shape_count = (pb_size_t)learner->samples.dataset.sample.rank;
    for (pb_size_t i = 0; i < ready->data.sample_shape_count; i++)
        ready->data.sample_shape[i] = learner->samples.dataset.sample.extents[i];
    if (learner->study->has_probe) {
        ready->data.n_probe = learner->study->probe.n_samples;
        ready->data.probe_sha256.size = SHA256_BYTES;
        memcpy(ready->data.probe_sha256.bytes, learner->study->probe_sha256, SHA256_BYTES);
    }
    learner_send(learner, &request);
}

static void answer_decline(struct learner *learner, const char *experiment_id, const char *message)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_decline_tag;
    snprintf(request.event.decline.experiment_id, sizeof request.event.decline.experiment_id, "%s",
             experiment_id);
    snprintf(request.event.decline.message, sizeof request.event.decline.message, "%.500s", message);
    log_warn("cannot take part", LOG_S("learner", learner->name), LOG_S("experiment", experiment_id),
             LOG_S("error", message));
    learner_send(learner, &request);
}

void learner_leave_study(struct learner *learner)
{
    learner->dismissed = false;
    learner->loaded = learner->evaluation_wanted = false;
    learner->round = learner->kept_round = 0;
    peer_round_release(learner);
    learner_free_vectors(learner);
    samples_release(&learner->samples);
    pretence_release(&learner->pretence);
    learner->part = (struct part){0};
    if (learner->study)
        study_close(learner->study);
    learner->study = NULL;
    learner->variant = NULL;
}

// ---- loading, in the pool -------------------------------------------------------------------------------

static enum status load(struct learner *learner, struct error *error)
{
    struct host *host = learner->host;
    struct samples *samples = &learner->samples;
    struct study *study = learner->study;
    struct samples_wanted wanted = {.host = host->options,
                                    .experiment = &study->experiment.options,
                                    .index = learner->index,
                                    .n_learners = learner->n_learners};
    pthread_mutex_lock(&host->lock);
    wanted.probe = study_algorithm(study)->needs_probe && !study->has_probe; // nobody here has read it yet
    pthread_mutex_unlock(&host->lock);
    TRY(samples_load(samples, &wanted, error));
    TRY(pretence_load(&learner->pretence, &wanted, error));
    pthread_mutex_lock(&host->lock);
    study_set_probe(study, &samples->probe);
    learner->part = samples->training;
    enum status status = study_bind(study, &samples->dataset.sample, samples->dataset.n_outputs,
                                    samples->dataset.target_type, learner->index, &learner->variant, error);
    pthread_mutex_unlock(&host->lock);
    return status == STATUS_OK ? learner_restore_state(learner, error) : status;
}

// A disk that fails for a while does not cost the learner its place. False when nobody waits for it any more.
static bool wait_to_load_again(struct learner *learner, struct error *error)
{
    struct host *host = learner->host;
    log_error("cannot read what the experiment needs; trying again", LOG_S("learner", learner->name),
              LOG_S("error", error->message));
    usleep(RETRY_MS * 1000);
    pthread_mutex_lock(&host->lock);
    bool wanted = !host->ending && !learner->dismissed && !learner->enrol_yaml;
    pthread_mutex_unlock(&host->lock);
    if (wanted) {
        samples_release(&learner->samples);
        pretence_release(&learner->pretence);
        *error = ERROR_INIT;
    }
    return wanted;
}

static void run_load(struct pool_job *job)
{
    struct learner *learner = container_of(job, struct learner, job);
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    enum status status = load(learner, &error);
    while (status == STATUS_INTERNAL && wait_to_load_again(learner, &error))
        status = load(learner, &error);
    pthread_mutex_lock(&host->lock);
    learner->activity = ACTIVITY_NONE;
    if (status == STATUS_OK) {
        learner->loaded = true;
        if (!learner->dismissed && !learner->enrol_yaml)
            learner_tell_ready(learner, false);
    } else {
        answer_decline(learner, learner->study->id, error.message);
        learner_leave_study(learner);
    }
    learner_go_on(learner);
    pthread_mutex_unlock(&host->lock);
}

void learner_load(struct learner *learner)
{
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = learner->enrol_yaml, *defaults = learner->enrol_defaults;
    const struct experiment_origin origin = {learner->enrol_version, defaults};
    learner->enrol_yaml = learner->enrol_defaults = NULL;
    if (learner->study)
        learner_leave_study(learner);
    learner->index = learner->enrol_index;
    learner->n_learners = learner->enrol_learners;
    if (study_open(learner->host, learner->enrol_id, yaml, &origin, &learner->study, &error) != STATUS_OK) {
        answer_decline(learner, learner->enrol_id, error.message);
        return;
    }
    learner->activity = ACTIVITY_LOADING;
    learner->job.run = run_load;
    pool_post(learner->host->pool, &learner->job);
}

void learner_enrol(struct learner *learner, const cohort_v1_Enrol *enrol)
{
    bool same = learner->study && strcmp(learner->study->id, enrol->experiment_id) == 0 && enrol->yaml &&
                strcmp(learner->study->yaml, enrol->yaml) == 0 && learner->index == enrol->index &&
                !learner->dismissed && !learner->enrol_yaml;
    if (same && learner->activity == ACTIVITY_LOADING)
        return; // it answers when it is loaded
    if (same && learner->loaded) {
        learner_tell_ready(learner, false);
        return;
    }
    memory_free(learner->enrol_yaml);
    memory_free(learner->enrol_defaults);
    learner->enrol_yaml = memory_copy_text(enrol->yaml ? enrol->yaml : "");
    learner->enrol_defaults = memory_copy_text(enrol->resolved.defaults ? enrol->resolved.defaults : "");
    if (!learner->enrol_yaml || !learner->enrol_defaults) {
        learner->enrol_yaml = memory_free(learner->enrol_yaml);
        answer_decline(learner, enrol->experiment_id, "the learner is out of memory; give it more");
        return;
    }
    snprintf(learner->enrol_id, sizeof learner->enrol_id, "%s", enrol->experiment_id);
    snprintf(learner->enrol_version, sizeof learner->enrol_version, "%s", enrol->resolved.version);
    learner->enrol_index = enrol->index;
    learner->enrol_learners = enrol->learners;
    learner_withdraw(learner);
    learner_go_on(learner);
}
