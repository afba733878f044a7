#include "learner/study.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum status study_open(struct host *host, const char *id, const char *yaml,
                       const struct experiment_origin *origin, struct study **ret, struct error *error)
{
    for (struct study *study = host->studies; study; study = study->next) {
        if (strcmp(study->id, id) == 0 && strcmp(study->yaml, yaml) == 0) {
            study->n_users++;
            *ret = study;
            return STATUS_OK;
        }
    }
    struct study *study = memory_zalloc(sizeof *study);
    if (!study)
        return error_no_memory(error, sizeof *study);
    study->yaml = memory_copy_text(yaml);
    enum status status = study->yaml ? experiment_receive(&study->experiment, yaml, origin, error)
                                     : error_no_memory(error, strlen(yaml));
    if (status != STATUS_OK) {
        experiment_release(&study->experiment);
        memory_free(study->yaml);
        memory_free(study);
        return status;
    }
    snprintf(study->id, sizeof study->id, "%s", id);
    study->host = host;
    study->n_users = 1;
    study->next = host->studies;
    host->studies = study;
    *ret = study;
    return STATUS_OK;
}

// A vector that waits for its next user begins with this.
struct spare {
    struct spare *next;
};

static void release_variants(struct study *study)
{
    for (size_t i = 0; study->variants && i < study->n_variants; i++) {
        struct variant *variant = &study->variants[i];
        while (variant->n_trainers)
            trainer_free(variant->trainers[--variant->n_trainers]);
        model_free(variant->model);
    }
    study->variants = memory_free(study->variants);
}

void study_close(struct study *study)
{
    if (--study->n_users || study->fetch) // a fetch under way closes it at its end
        return;
    struct study **link = &study->host->studies;
    while (*link != study)
        link = &(*link)->next;
    *link = study->next;
    release_variants(study);
    dataset_release(&study->probe_data);
    memory_free(study->values);
    incoming_release(&study->incoming);
    while (study->spare) {
        struct spare *next = study->spare->next;
        memory_free(study->spare);
        study->spare = next;
    }
    dataset_release(&study->test);
    experiment_release(&study->experiment);
    memory_free(study->yaml);
    memory_free(study);
}

const struct algorithm_kind *study_algorithm(const struct study *study)
{
    return (const struct algorithm_kind *)(const void *)
        study->experiment.options.collaboration.algorithm.kind;
}

static enum status same_shape(const struct study *study, const struct shape *sample, struct error *error)
{
    const struct shape *others = model_input(study->variants[0].model);
    char here[128], there[128];
    if (shape_equal(others, sample))
        return STATUS_OK;
    shape_format(sample, here, sizeof here);
    shape_format(others, there, sizeof there);
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "samples are shaped %s, those of other learners in this process %s", here, there);
}

static enum status make_variant(const struct study *study, size_t number, const struct shape *sample,
                                size_t n_outputs, enum target_type targets, struct variant *ret,
                                struct error *error)
{
    const struct experiment_options *options = &study->experiment.options;
    TRY(experiment_variant(&study->experiment, number, sample, n_outputs, targets, &ret->model, error));
    const struct algorithm_setting setting = {
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .model = ret->model,
        .seed = (uint64_t)options->seed,
        .n_learners = (uint32_t)options->collaboration.learners,
        .rounds = (uint32_t)options->collaboration.rounds,
        .n_probe = study->has_probe ? study->probe.n_samples : 0,
    };
    return algorithm_plan(study_algorithm(study), &setting, &ret->plan, error);
}

static enum status make_variants(struct study *study, const struct shape *sample, size_t n_outputs,
                                 enum target_type targets, struct error *error)
{
    enum status status = STATUS_OK;
    study->n_variants = experiment_n_variants(&study->experiment);
    study->variants = memory_array(study->n_variants, sizeof *study->variants);
    if (!study->variants)
        return error_no_memory(error, study->n_variants * sizeof *study->variants);
    for (size_t i = 0; i < study->n_variants && status == STATUS_OK; i++)
        status = make_variant(study, i, sample, n_outputs, targets, &study->variants[i], error);
    if (status == STATUS_OK)
        study->plan = study->variants[0].plan;
    else
        release_variants(study);
    return status;
}

enum status study_bind(struct study *study, const struct shape *sample, size_t n_outputs,
                       enum target_type targets, uint32_t index, struct variant **ret, struct error *error)
{
    TRY(study->variants ? same_shape(study, sample, error)
                        : make_variants(study, sample, n_outputs, targets, error));
    *ret = &study->variants[index % study->n_variants];
    return STATUS_OK;
}

void study_set_probe(struct study *study, struct dataset *probe_take)
{
    if (study->has_probe || probe_take->n_samples == 0) {
        dataset_release(probe_take);
        return;
    }
    study->has_probe = true;
    study->probe_data = *probe_take;
    study->probe = (struct part){.dataset = &study->probe_data, .n_samples = probe_take->n_samples};
    *probe_take = DATASET_INIT;
    sha256_of(study->probe_data.features,
              study->probe.n_samples * shape_size(&study->probe_data.sample) * sizeof(float),
              study->probe_sha256);
}

// ---- vectors --------------------------------------------------------------------------------------------

float *study_take_vector(struct study *study)
{
    struct spare *spare = study->spare;
    if (!spare)
        return memory_floats(plan_shared_values(&study->plan));
    study->spare = spare->next;
    return (float *)(void *)spare;
}

void study_give_vector(struct study *study, float *vector)
{
    struct spare *spare = (struct spare *)(void *)vector; // memory_floats gives 64 bytes at least
    spare->next = study->spare;
    study->spare = spare;
}

// ---- test data ------------------------------------------------------------------------------------------

enum status study_test_data(struct study *study, const struct dataset **ret, struct error *error)
{
    const struct samples_wanted wanted = {.host = study->host->options,
                                          .experiment = &study->experiment.options};
    pthread_mutex_lock(&study->host->lock);
    bool here = study->has_test;
    pthread_mutex_unlock(&study->host->lock);
    struct dataset test = DATASET_INIT;
    if (!here)
        TRY(samples_load_test(&test, &wanted, error));
    pthread_mutex_lock(&study->host->lock);
    if (!study->has_test) {
        study->test = test;
        test = DATASET_INIT;
        study->has_test = true;
    }
    pthread_mutex_unlock(&study->host->lock);
    dataset_release(&test); // another thread was faster
    *ret = &study->test;
    return STATUS_OK;
}

// ---- trainers -------------------------------------------------------------------------------------------

enum status study_take_trainer(struct study *study, struct variant *variant, struct trainer **ret,
                               struct error *error)
{
    struct trainer *trainer = NULL;
    pthread_mutex_lock(&study->host->lock);
    if (variant->n_trainers)
        trainer = variant->trainers[--variant->n_trainers];
    pthread_mutex_unlock(&study->host->lock);
    if (!trainer) {
        const struct training_options *training = &study->experiment.options.training;
        TRY(trainer_new(&trainer, variant->model, training, (size_t)training->batch_size, error));
    }
    *ret = trainer;
    return STATUS_OK;
}

void study_give_trainer(struct study *study, struct variant *variant, struct trainer *trainer)
{
    pthread_mutex_lock(&study->host->lock);
    bool kept = variant->n_trainers < ARRAY_SIZE(variant->trainers);
    if (kept)
        variant->trainers[variant->n_trainers++] = trainer;
    pthread_mutex_unlock(&study->host->lock);
    if (!kept)
        trainer_free(trainer);
}
