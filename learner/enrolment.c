// Taking part in an experiment: load the data, build the model, say ready.
#include "base/log.h"
#include "base/memory.h"
#include "data/partition.h"
#include "learner/host.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void answer_ready(struct learner *learner)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_ready_tag;
    cohort_v1_Ready *ready = &request.event.ready;
    snprintf(ready->experiment_id, sizeof ready->experiment_id, "%s", learner->study->id);
    ready->has_data = true;
    ready->data.n_samples = learner->part.n_samples;
    ready->data.target_values = learner->dataset.target_type == TARGET_VALUES;
    ready->data.n_outputs = ready->data.target_values ? model_n_outputs(learner->study->model)
                                                      : model_n_classes(learner->study->model);
    ready->data.sample_shape_count = (pb_size_t)learner->dataset.sample.rank;
    for (pb_size_t i = 0; i < ready->data.sample_shape_count; i++)
        ready->data.sample_shape[i] = learner->dataset.sample.extents[i];
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
    learner->loaded = false;
    learner->round = learner->kept_round = 0;
    learner_free_vectors(learner);
    dataset_release(&learner->dataset);
    if (learner->study)
        study_close(learner->study);
    learner->study = NULL;
}

// ---- loading, in the pool -------------------------------------------------------------------------------

struct loading {
    const struct learner_options *host_options;
    const struct experiment_options *experiment;
    uint32_t index, n_learners;
};

static enum status read_share(const struct loading *loading, struct source *source, struct dataset *ret,
                              struct error *error)
{
    struct partition partition = {0};
    TRY(partition_new(&partition, &loading->experiment->data.partition, source, loading->n_learners,
                      (uint64_t)loading->experiment->seed, error));
    size_t first = partition.offsets[loading->index];
    enum status status = source_read(source, partition.rows + first,
                                     partition.offsets[loading->index + 1] - first, ret, error);
    partition_release(&partition);
    return status;
}

static enum status read_data(const struct loading *loading, struct dataset *ret, struct error *error)
{
    const struct learner_options *own = loading->host_options;
    const struct data_options *data = own->has_data ? &own->data : &loading->experiment->data;
    struct source *source = NULL;
    if (!own->has_data && !own->use_experiment_data)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "this learner has no data; name its files under 'data' in its configuration");
    if (!own->has_data && !loading->experiment->has_data)
        return error_set(error, STATUS_FAILED_PRECONDITION, "the experiment names no data; add 'data' to it");
    TRY(source_open(&source, &data->format, &data->train, NULL, error));
    enum status status =
        own->has_data ? source_read(source, NULL, 0, ret, error) : read_share(loading, source, ret, error);
    source_close(source);
    return status;
}

static enum status load(struct learner *learner, struct error *error)
{
    struct host *host = learner->host;
    const struct loading loading = {.host_options = host->options,
                                    .experiment = &learner->study->experiment.options,
                                    .index = learner->index,
                                    .n_learners = learner->n_learners};
    if (loading.index >= loading.n_learners)
        return error_set(error, STATUS_INVALID_ARGUMENT, "number %u of %u learners", loading.index,
                         loading.n_learners);
    struct dataset dataset = {0};
    TRY(read_data(&loading, &dataset, error));
    pthread_mutex_lock(&host->lock);
    learner->dataset = dataset;
    learner->part = (struct part){.dataset = &learner->dataset, .n_samples = dataset.n_samples};
    enum status status = study_bind(learner->study, &learner->dataset.sample, learner->dataset.n_outputs,
                                    learner->dataset.target_type, error);
    pthread_mutex_unlock(&host->lock);
    return status;
}

static void run_load(struct pool_job *job)
{
    struct learner *learner = (struct learner *)(void *)((char *)job - offsetof(struct learner, job));
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    enum status status = load(learner, &error);
    pthread_mutex_lock(&host->lock);
    learner->activity = ACTIVITY_NONE;
    if (status == STATUS_OK) {
        learner->loaded = true;
        if (!learner->dismissed && !learner->enrol_yaml)
            answer_ready(learner);
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
    cleanup_free char *yaml = learner->enrol_yaml;
    learner->enrol_yaml = NULL;
    if (learner->study)
        learner_leave_study(learner);
    learner->index = learner->enrol_index;
    learner->n_learners = learner->enrol_learners;
    if (study_open(learner->host, learner->enrol_id, yaml, &learner->study, &error) != STATUS_OK) {
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
        answer_ready(learner);
        return;
    }
    memory_free(learner->enrol_yaml);
    learner->enrol_yaml = memory_copy_text(enrol->yaml ? enrol->yaml : "");
    if (!learner->enrol_yaml) {
        answer_decline(learner, enrol->experiment_id, "out of memory");
        return;
    }
    snprintf(learner->enrol_id, sizeof learner->enrol_id, "%s", enrol->experiment_id);
    learner->enrol_index = enrol->index;
    learner->enrol_learners = enrol->learners;
    learner_withdraw(learner);
    learner_go_on(learner);
}
