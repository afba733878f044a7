#include "learner/study.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum status study_open(struct host *host, const char *id, const char *yaml, struct study **ret,
                       struct error *error)
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
    enum status status =
        study->yaml ? experiment_parse(&study->experiment, yaml, strlen(yaml), "experiment", NULL, 0, error)
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

void study_close(struct study *study)
{
    if (--study->n_users || study->fetch) // a fetch under way closes it at its end
        return;
    struct study **link = &study->host->studies;
    while (*link != study)
        link = &(*link)->next;
    *link = study->next;
    while (study->n_trainers)
        trainer_free(study->trainers[--study->n_trainers]);
    memory_free(study->values);
    dataset_release(&study->test);
    model_free(study->model);
    experiment_release(&study->experiment);
    memory_free(study->yaml);
    memory_free(study);
}

const struct algorithm_kind *study_algorithm(const struct study *study)
{
    return (const struct algorithm_kind *)(const void *)
        study->experiment.options.collaboration.algorithm.kind;
}

enum status study_bind(struct study *study, const struct shape *sample, size_t n_outputs,
                       enum target_type targets, struct error *error)
{
    if (study->model) {
        if (shape_equal(model_input(study->model), sample))
            return STATUS_OK;
        char here[128], there[128];
        shape_format(sample, here, sizeof here);
        shape_format(model_input(study->model), there, sizeof there);
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "samples are shaped %s, those of other learners in this process %s", here, there);
    }
    const struct experiment_options *options = &study->experiment.options;
    struct model *model = NULL;
    TRY(experiment_model(&study->experiment, sample, n_outputs, targets, &model, error));
    const struct algorithm_setting setting = {
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .model = model,
        .seed = (uint64_t)options->seed,
        .n_learners = (uint32_t)options->collaboration.learners,
        .rounds = (uint32_t)options->collaboration.rounds,
    };
    enum status status = algorithm_plan(study_algorithm(study), &setting, &study->plan, error);
    if (status == STATUS_OK)
        study->model = model;
    else
        model_free(model);
    return status;
}

static size_t fetched_bytes(const struct study *study)
{
    return plan_shared_values(&study->plan) * sizeof(float);
}

// ---- fetching -------------------------------------------------------------------------------------------

struct fetch {
    struct study *study;
    struct rpc_call *call;
    bool has_header;
    struct error error;
};

static void fetch_start(struct study *study);

static void wake_waiting(struct study *study)
{
    struct learner *learner = study->waiting;
    study->waiting = NULL;
    while (learner) {
        struct learner *next = learner->next_waiting;
        learner->next_waiting = NULL;
        learner_fetched(learner);
        learner = next;
    }
}

// The fetch failed: those who wait for it try again after a pause.
static void postpone_waiting(struct study *study)
{
    struct learner *learner = study->waiting;
    study->waiting = NULL;
    while (learner) {
        struct learner *next = learner->next_waiting;
        learner->next_waiting = NULL;
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
        learner = next;
    }
}

static enum status check_header(struct fetch *fetch, const cohort_v1_ModelHeader *header)
{
    struct study *study = fetch->study;
    if (header->bytes != fetched_bytes(study))
        return error_set(
            &fetch->error, STATUS_FAILED_PRECONDITION,
            "the coordinator's model has %llu bytes, this learner's %zu; check that its data has the "
            "experiment's shape",
            (unsigned long long)header->bytes, fetched_bytes(study));
    char sha256[SHA256_HEX_BYTES] = "";
    if (header->sha256.size == SHA256_BYTES)
        sha256_hex(header->sha256.bytes, sha256);
    if (strcmp(sha256, study->sha256) != 0)
        return error_set(&fetch->error, STATUS_FAILED_PRECONDITION,
                         "the coordinator's model of round %u is another one than it announced",
                         study->fetching);
    fetch->has_header = true;
    return STATUS_OK;
}

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct fetch *fetch = user;
    struct study *study = fetch->study;
    if (!fetch->has_header || offset != study->received || bytes > fetched_bytes(study) - study->received) {
        error_set(&fetch->error, STATUS_DATA_LOSS, "the coordinator sent bytes out of order");
        return false;
    }
    memcpy((uint8_t *)study->values + offset, run, bytes); // only the fetch writes here while it is under way
    study->received += bytes;
    return true;
}

static void fetch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct fetch *fetch = user;
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    struct rpc_chunk chunk = {0};
    enum status status =
        fetch->has_header
            ? rpc_message_decode_chunk(message, cohort_v1_FetchModelResponse_fields, &response, &chunk, take,
                                       fetch, &fetch->error)
            : rpc_message_decode(message, cohort_v1_FetchModelResponse_fields, &response, &fetch->error);
    if (status == STATUS_OK && response.has_header)
        status = check_header(fetch, &response.header);
    if (status != STATUS_OK || fetch->error.status != STATUS_OK)
        rpc_call_cancel(call);
    else
        rpc_call_receive(call);
}

static void fetch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct fetch *fetch = user;
    struct study *study = fetch->study;
    struct host *host = study->host;
    pthread_mutex_lock(&host->lock);
    study->fetch = NULL;
    if (study->received == fetched_bytes(study) && status == STATUS_OK) {
        study->complete = true;
        study->round = study->fetching;
        wake_waiting(study);
    } else {
        if (status == STATUS_NOT_FOUND || status == STATUS_OUT_OF_RANGE)
            study->received = 0;
        log_debug("fetching the model failed", LOG_S("experiment", study->id),
                  LOG_S("status", status_name(status)),
                  LOG_S("error", fetch->error.status ? fetch->error.message : message));
        postpone_waiting(study);
    }
    if (study->n_users == 0) {
        study->n_users = 1;
        study_close(study);
    }
    pthread_mutex_unlock(&host->lock);
    rpc_call_unref(fetch->call);
    memory_free(fetch);
}

static const struct rpc_events fetch_events = {.message = fetch_message, .closed = fetch_closed};

static enum status fetch_send(struct fetch *fetch, struct error *error)
{
    struct study *study = fetch->study;
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", study->id);
    request.model_round = study->fetching;
    request.offset = study->received;
    TRY(rpc_call_start(&fetch->call, study->host->channel, "/cohort.v1.Exchange/FetchModel", 0, true,
                       &fetch_events, fetch, error));
    study->fetch = fetch;
    rpc_call_receive(fetch->call);
    if (rpc_call_send(fetch->call, cohort_v1_FetchModelRequest_fields, &request, error) == STATUS_OK)
        rpc_call_end(fetch->call);
    else
        rpc_call_cancel(fetch->call);
    return STATUS_OK;
}

static void fetch_start(struct study *study)
{
    struct error error = ERROR_INIT;
    if (!study->values)
        study->values = memory_floats(plan_shared_values(&study->plan));
    struct fetch *fetch = memory_zalloc(sizeof *fetch);
    if (fetch)
        fetch->study = study;
    if (!fetch || !study->values || fetch_send(fetch, &error) != STATUS_OK) {
        memory_free(fetch);
        log_warn("no memory to fetch the model", LOG_S("experiment", study->id));
        postpone_waiting(study);
    }
}

bool study_has(const struct study *study, uint32_t round, const char *sha256)
{
    return study->complete && study->round == round && strcmp(study->sha256, sha256) == 0;
}

void study_fetch(struct study *study, uint32_t round, const char *sha256, struct learner *learner)
{
    if (study_has(study, round, sha256)) {
        learner_fetched(learner);
        return;
    }
    learner->next_waiting = study->waiting;
    study->waiting = learner;
    if (study->fetch)
        return; // when that one ends, whoever needs another round asks again
    if (study->fetching != round || study->complete || strcmp(study->sha256, sha256) != 0)
        study->received = 0;
    study->fetching = round;
    snprintf(study->sha256, sizeof study->sha256, "%s", sha256);
    study->complete = false;
    fetch_start(study);
}

void study_cancel_fetch(struct study *study, struct learner *learner)
{
    struct learner **link = &study->waiting;
    while (*link && *link != learner)
        link = &(*link)->next_waiting;
    if (*link) {
        *link = learner->next_waiting;
        learner->next_waiting = NULL;
    }
    if (!study->waiting && study->fetch)
        rpc_call_cancel(study->fetch->call);
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

enum status study_take_trainer(struct study *study, struct trainer **ret, struct error *error)
{
    struct trainer *trainer = NULL;
    pthread_mutex_lock(&study->host->lock);
    if (study->n_trainers)
        trainer = study->trainers[--study->n_trainers];
    pthread_mutex_unlock(&study->host->lock);
    if (!trainer) {
        const struct training_options *training = &study->experiment.options.training;
        TRY(trainer_new(&trainer, study->model, training, (size_t)training->batch_size, error));
    }
    *ret = trainer;
    return STATUS_OK;
}

void study_give_trainer(struct study *study, struct trainer *trainer)
{
    pthread_mutex_lock(&study->host->lock);
    bool kept = study->n_trainers < ARRAY_SIZE(study->trainers);
    if (kept)
        study->trainers[study->n_trainers++] = trainer;
    pthread_mutex_unlock(&study->host->lock);
    if (!kept)
        trainer_free(trainer);
}
