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

// ---- fetching -------------------------------------------------------------------------------------------

struct fetch {
    struct study *study;
    struct rpc_call *call;
    bool has_header;
    bool ruined; // what has come so far is of no use
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

// The fetch failed: those who wait for it try again after a pause. Of a model that is gone they tell the
// coordinator then, at once when that is new.
static void postpone_waiting(struct study *study, bool gone)
{
    struct learner *learner = study->waiting;
    study->waiting = NULL;
    while (learner) {
        struct learner *next = learner->next_waiting;
        learner->next_waiting = NULL;
        learner->model_gone = gone && learner->activity == ACTIVITY_FETCHING &&
                              learner->assignment.model_round == study->fetching;
        learner_pause(learner, learner->model_gone && learner->n_gone++ == 0
                                   ? 0
                                   : learner_backoff_ms(learner, learner->n_retries++));
        learner = next;
    }
}

// What was begun goes on as it began; a coordinator that was started again may not have that any more.
static enum status begin(struct fetch *fetch, const cohort_v1_ModelHeader *header)
{
    struct study *study = fetch->study;
    const struct incoming *incoming = &study->incoming;
    if (study->received &&
        (header->coded != incoming->coded || header->differences != incoming->differences)) {
        fetch->ruined = true;
        return error_set(&fetch->error, STATUS_ABORTED,
                         "the coordinator sends the model of round %u otherwise than before",
                         study->fetching);
    }
    bool held = *study->held_id && study->held_round + (uint64_t)header->differences == study->fetching;
    if (header->differences && (!header->coded || !held))
        return error_set(&fetch->error, STATUS_FAILED_PRECONDITION,
                         "the coordinator sent differences from a model that this learner does not have");
    return study->received
               ? STATUS_OK
               : incoming_begin(study, study->fetching, header->coded, header->differences, &fetch->error);
}

static enum status check_header(struct fetch *fetch, const cohort_v1_ModelHeader *header)
{
    struct study *study = fetch->study;
    TRY(begin(fetch, header));
    if (header->bytes != study->incoming.bytes)
        return error_set(
            &fetch->error, STATUS_FAILED_PRECONDITION,
            "the coordinator's model has %llu bytes, this learner's %llu; check that its data has the "
            "experiment's shape",
            (unsigned long long)header->bytes, (unsigned long long)study->incoming.bytes);
    if (strcmp(header->model_id, study->model_id) != 0)
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
    if (!fetch->has_header || offset != study->received || bytes > study->incoming.bytes - study->received) {
        error_set(&fetch->error, STATUS_DATA_LOSS, "the coordinator sent bytes out of order");
        return false;
    }
    study->received += bytes;
    // Only the fetch writes here while it is under way.
    if (incoming_take(study, offset, run, bytes, &fetch->error) == STATUS_OK)
        return true;
    fetch->ruined = true;
    return false;
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
    if (fetch->has_header && study->received == study->incoming.bytes && status == STATUS_OK) {
        study->complete = true;
        study->round = study->fetching;
        host->received_bytes += study->received;
        wake_waiting(study);
    } else {
        if (fetch->ruined || status == STATUS_NOT_FOUND || status == STATUS_OUT_OF_RANGE)
            study_forget(study);
        bool denied = status == STATUS_PERMISSION_DENIED || status == STATUS_UNAUTHENTICATED;
        log_at(denied ? LOG_WARN : LOG_DEBUG, "fetching the model failed", LOG_S("experiment", study->id),
               LOG_S("status", status_name(status)),
               LOG_S("error", fetch->error.status ? fetch->error.message : message));
        postpone_waiting(study, status == STATUS_NOT_FOUND);
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
    // For all that it hosts: whoever may act for one of them may act for the others.
    snprintf(request.learner, sizeof request.learner, "%s", study->host->learners[0].name);
    request.model_round = study->fetching;
    request.offset = study->received;
    request.coded = !experiment_sends_models(&study->experiment.options);
    if (*study->held_id && experiment_sends_differences(&study->experiment.options)) {
        request.held_round = study->held_round;
        snprintf(request.held_id, sizeof request.held_id, "%s", study->held_id);
    }
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
        postpone_waiting(study, false);
    }
}

void study_forget(struct study *study)
{
    study->received = 0;
    study->complete = false;
    *study->held_id = '\0';
}

// The values stay what they are until the first byte comes.
static void begin_another(struct study *study, uint32_t round, const char *id)
{
    if (study->complete) {
        study->held_round = study->round;
        snprintf(study->held_id, sizeof study->held_id, "%s", study->model_id);
    } else if (study->received) {
        study_forget(study); // half of another model
    }
    study->received = 0;
    study->complete = false;
    study->fetching = round;
    snprintf(study->model_id, sizeof study->model_id, "%s", id);
}

bool study_has(const struct study *study, uint32_t round, const char *id)
{
    return study->complete && study->round == round && strcmp(study->model_id, id) == 0;
}

void study_fetch(struct study *study, uint32_t round, const char *id, struct learner *learner)
{
    if (study_has(study, round, id)) {
        learner_fetched(learner);
        return;
    }
    learner->next_waiting = study->waiting;
    study->waiting = learner;
    if (study->fetch)
        return; // when that one ends, whoever needs another round asks again
    if (study->fetching != round || study->complete || strcmp(study->model_id, id) != 0)
        begin_another(study, round, id);
    fetch_start(study);
}

// Whether the values hold what the given model starts from.
static bool has_base(const struct study *study, const struct given_model *given)
{
    return given->differences <= given->round &&
           study_has(study, given->round - given->differences, given->base);
}

void study_give(struct study *study, const struct given_model *given)
{
    struct error error = ERROR_INIT;
    if (!study->variants || study->fetch || study_has(study, given->round, given->id) ||
        (given->differences && !has_base(study, given)))
        return;
    if (!study->values)
        study->values = memory_floats(plan_shared_values(&study->plan));
    if (!study->values)
        return; // the fetch tells of it
    begin_another(study, given->round, given->id);
    if (incoming_begin(study, given->round, given->coded, given->differences, &error) != STATUS_OK ||
        given->n != study->incoming.bytes)
        return;
    study->host->received_bytes += given->n;
    study->received = given->n;
    if (incoming_take(study, 0, given->bytes, given->n, &error) != STATUS_OK) {
        study_forget(study);
        return;
    }
    study->round = given->round;
    study->complete = true;
}

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
