// The round's model, fetched once for all learners of the process: in chunks, or read where it lies when the
// coordinator is on this machine.
#include "base/log.h"
#include "base/memory.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

struct fetch {
    struct study *study;
    struct rpc_call *call;
    struct cross_memory *reads; // the coordinator's, where the model is read in place; NULL: it is sent
    bool has_header;
    bool told;   // of the model's last byte: in place, this side has ended
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

// Into the model where it comes as it is, else tile by tile.
static enum status read_place(struct fetch *fetch, const cohort_v1_Place *place)
{
    struct study *study = fetch->study;
    struct error *error = &fetch->error;
    if (!fetch->reads || place->offset != study->received ||
        place->bytes > study->incoming.bytes - study->received)
        return error_set(error, STATUS_DATA_LOSS, "the coordinator told of a place out of order");
    if (!study->incoming.coded) {
        study->received += place->bytes;
        return cross_memory_read(fetch->reads, place->address, (uint8_t *)study->values + place->offset,
                                 place->bytes, error);
    }
    return cross_memory_pass(fetch->reads, place->address, place->bytes, place->offset, take, fetch, error);
}

// Everything has been read once it is read in place, and the coordinator may change it; it answers OK when
// it was there until then.
static void end_reading(struct fetch *fetch)
{
    if (!fetch->reads || fetch->told || !fetch->has_header ||
        fetch->study->received != fetch->study->incoming.bytes)
        return;
    fetch->told = true;
    rpc_call_end(fetch->call);
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
    if (status == STATUS_OK && response.has_place && read_place(fetch, &response.place) != STATUS_OK) {
        status = fetch->error.status;
        fetch->ruined = true;
    }
    if (status != STATUS_OK || fetch->error.status != STATUS_OK) {
        rpc_call_cancel(call);
        return;
    }
    end_reading(fetch);
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
        if (fetch->reads && fetch->reads == host->reads)
            host->reads = cross_memory_unref(host->reads); // it is to be sent
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
    cross_memory_unref(fetch->reads);
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
    if (study->host->reads) {
        cross_door_show(study->host->cross_door, &request.memory_token.size, request.memory_token.bytes);
        fetch->reads = cross_memory_ref(study->host->reads);
    }
    TRY(rpc_call_start(&fetch->call, study->host->channel, "/cohort.v1.Exchange/FetchModel", 0, true,
                       &fetch_events, fetch, error));
    study->fetch = fetch;
    rpc_call_receive(fetch->call);
    if (rpc_call_send(fetch->call, cohort_v1_FetchModelRequest_fields, &request, error) != STATUS_OK)
        rpc_call_cancel(fetch->call);
    else if (!fetch->reads)
        rpc_call_end(fetch->call);
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
        if (fetch)
            cross_memory_unref(fetch->reads);
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

static bool has_id(const struct study *study, const char *id)
{
    char found[DIGEST_HEX_BYTES];
    digest_hex(digest_of(study->values, (size_t)study->incoming.bytes), found);
    return strcmp(found, id) == 0;
}

// What is there must have that id: another may lie there by now.
static enum status read_given(struct study *study, const struct given_model *given, struct error *error)
{
    struct host *host = study->host;
    enum status status =
        cross_memory_read(host->reads, given->place->address, study->values, given->n, error);
    if (status != STATUS_OK) {
        log_debug("reading the model failed", LOG_S("experiment", study->id), LOG_S("error", error->message));
        host->reads = cross_memory_unref(host->reads); // it is to be sent
    } else if (!has_id(study, given->id)) {
        status = error_set(error, STATUS_DATA_LOSS, "another model lies there");
    } else {
        host->received_bytes += given->n;
    }
    return status;
}

static enum status take_given(struct study *study, const struct given_model *given, struct error *error)
{
    if (given->place)
        return read_given(study, given, error);
    study->host->received_bytes += given->n;
    return incoming_take(study, 0, given->bytes, given->n, error);
}

void study_give(struct study *study, const struct given_model *given)
{
    struct error error = ERROR_INIT;
    if (!study->variants || study->fetch || study_has(study, given->round, given->id) ||
        (given->differences && !has_base(study, given)) ||
        (given->place && (given->coded || !study->host->reads)))
        return;
    if (!study->values)
        study->values = memory_floats(plan_shared_values(&study->plan));
    if (!study->values)
        return; // the fetch tells of it
    begin_another(study, given->round, given->id);
    if (incoming_begin(study, given->round, given->coded, given->differences, &error) != STATUS_OK ||
        given->n != study->incoming.bytes)
        return;
    study->received = given->n;
    if (take_given(study, given, &error) != STATUS_OK) {
        study_forget(study);
        return;
    }
    study->round = given->round;
    study->complete = true;
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
