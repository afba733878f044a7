// A round's model on its way through a relay: fetched once, and sent on to every learner as it arrives. Coded
// bytes are passed on as they are; learners that start from different models are sent different ones.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

enum { VARIANTS_MAX = 8 }; // of a round's model, by what their receivers hold; beyond, it is sent whole

struct relay_model {
    struct relay_model *next; // another of the same round
    atomic_uint references;   // the job's, the fetch's, one a reader and one a chunk in the transport's hands
    struct relay_job *job;    // a user of it
    uint32_t round;
    bool coded; // as asked for, with
    uint32_t held_round;
    char held_id[DIGEST_HEX_BYTES];
    bool has_header, failed; // failed: not to be gone on with
    cohort_v1_ModelHeader header;
    uint8_t *bytes;         // [header.bytes], once there is a header
    uint64_t received;      // only the fetch under way adds to it; read under the lock
    struct rpc_call *call;  // the fetch under way, or NULL
    struct error error;     // of what it brought
    struct reader *waiting; // for more than is there
};

struct reader {
    struct relay *relay;
    struct rpc_call *call;
    struct lease lease;
    struct relay_model *model; // NULL before the request
    uint64_t offset;
    bool has_header, is_waiting, ended;
    struct reader *next; // of those that wait
};

static void model_unref(void *user)
{
    struct relay_model *model = user;
    if (atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) != 1)
        return;
    memory_free(model->bytes);
    memory_free(model);
}

static struct relay_model *model_ref(struct relay_model *model)
{
    atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
    return model;
}

void relay_models_release(struct relay_model *first)
{
    for (struct relay_model *model = first, *next; model; model = next) {
        next = model->next;
        model->next = NULL;
        model_unref(model);
    }
}

void relay_models_cancel(const struct relay_model *first)
{
    for (const struct relay_model *model = first; model; model = model->next)
        if (model->call)
            rpc_call_cancel(model->call);
}

// ---- out to the learners --------------------------------------------------------------------------------

static void end(struct reader *reader, enum status status, const char *message)
{
    reader->ended = true;
    rpc_call_finish(reader->call, status, message);
}

static void send_header(struct reader *reader)
{
    struct error error = ERROR_INIT;
    cohort_v1_FetchModelResponse response = {.has_header = true, .header = reader->model->header};
    if (reader->offset > reader->model->header.bytes)
        end(reader, STATUS_OUT_OF_RANGE, "the offset is past the model's end; start from 0");
    else if (rpc_call_send(reader->call, cohort_v1_FetchModelResponse_fields, &response, &error) != STATUS_OK)
        end(reader, error.status, error.message);
    reader->has_header = true; // `writable` goes on
}

// Sends what may be sent now: whole chunks alone, so that they travel as they came.
static void pump(struct reader *reader)
{
    struct relay_model *model = reader->model;
    struct error error = ERROR_INIT;
    if (reader->ended || reader->is_waiting)
        return;
    uint64_t left = model->has_header ? model->header.bytes - reader->offset : RPC_CHUNK_BYTES;
    size_t n = left < RPC_CHUNK_BYTES ? (size_t)left : RPC_CHUNK_BYTES;
    if (model->has_header && !reader->has_header) {
        send_header(reader);
    } else if (!model->has_header || model->received < reader->offset + n) {
        reader->is_waiting = true;
        reader->next = model->waiting;
        model->waiting = reader;
    } else if (left == 0) {
        end(reader, STATUS_OK, "");
    } else {
        const uint8_t *bytes = model->bytes + reader->offset;
        reader->offset += n;
        if (rpc_call_send_chunk(reader->call, reader->offset - n, bytes, n, model_unref, model_ref(model),
                                &error) != STATUS_OK)
            end(reader, error.status, error.message);
    }
}

static struct reader *take_waiting(struct relay_model *model)
{
    struct reader *reader = model->waiting;
    model->waiting = NULL;
    for (struct reader *it = reader; it; it = it->next)
        it->is_waiting = false;
    return reader;
}

static void pump_waiting(struct relay_model *model)
{
    for (struct reader *reader = take_waiting(model), *next; reader; reader = next) {
        next = reader->next;
        pump(reader);
    }
}

static void end_waiting(struct relay_model *model, enum status status, const char *message)
{
    for (struct reader *reader = take_waiting(model), *next; reader; reader = next) {
        next = reader->next;
        end(reader, status, message);
    }
}

// ---- in from the coordinator ----------------------------------------------------------------------------

static enum status take_header(struct relay_model *model, const cohort_v1_ModelHeader *header,
                               struct error *error)
{
    uint64_t most = (uint64_t)model->job->relay->options->max_model_bytes;
    if (header->bytes > most)
        return error_set(
            error, STATUS_RESOURCE_EXHAUSTED,
            "the model has %llu bytes, more than the %llu of this relay's limits.model; raise it",
            (unsigned long long)header->bytes, (unsigned long long)most);
    if (model->has_header) { // of a fetch that goes on
        if (header->bytes != model->header.bytes || header->coded != model->header.coded ||
            header->differences != model->header.differences ||
            strcmp(header->model_id, model->header.model_id) != 0)
            return error_set(error, STATUS_ABORTED, "the coordinator has another model now; fetch it anew");
        return STATUS_OK;
    }
    model->bytes = memory_alloc(header->bytes ? header->bytes : 1);
    if (!model->bytes)
        return error_no_memory(error, header->bytes);
    model->header = *header;
    model->header.tensors = NULL;
    model->header.tensors_count = 0;
    model->has_header = true;
    return STATUS_OK;
}

static bool take_bytes(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct relay_model *model = user;
    if (!model->has_header || offset != model->received || bytes > model->header.bytes - offset) {
        error_set(&model->error, STATUS_DATA_LOSS, "the coordinator sent bytes out of order");
        return false;
    }
    memcpy(model->bytes + offset, run, bytes); // readers stay below `received`
    pthread_mutex_lock(&model->job->relay->lock);
    model->received += bytes;
    pthread_mutex_unlock(&model->job->relay->lock);
    return true;
}

static void up_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct relay_model *model = user;
    struct relay *relay = model->job->relay;
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    struct rpc_chunk chunk;
    enum status status = rpc_message_decode_chunk(message, cohort_v1_FetchModelResponse_fields, &response,
                                                  &chunk, take_bytes, model, &model->error);
    pthread_mutex_lock(&relay->lock);
    if (status == STATUS_OK && response.has_header)
        status = take_header(model, &response.header, &model->error);
    if (status == STATUS_OK)
        pump_waiting(model);
    pthread_mutex_unlock(&relay->lock);
    pb_release(cohort_v1_FetchModelResponse_fields, &response);
    if (status != STATUS_OK)
        rpc_call_cancel(call);
    else
        rpc_call_receive(call);
}

static void up_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct relay_model *model = user;
    struct relay *relay = model->job->relay;
    pthread_mutex_lock(&relay->lock);
    model->call = NULL;
    if (model->error.status != STATUS_OK)
        status = model->error.status, message = model->error.message, model->failed = true;
    bool whole = model->has_header && model->received == model->header.bytes;
    if (whole)
        pump_waiting(model);
    else if (status == STATUS_OK)
        status = STATUS_DATA_LOSS, message = "the coordinator sent less than the model; fetch it again";
    if (!whole) {
        model->failed |= status == STATUS_NOT_FOUND || status == STATUS_OUT_OF_RANGE || !model->has_header;
        end_waiting(model, status, message);
    }
    relay_job_close(model->job);
    relay_call_over(relay);
    pthread_mutex_unlock(&relay->lock);
    rpc_call_unref(call);
    model_unref(model);
}

static const struct rpc_events up_events = {.message = up_message, .closed = up_closed};

// Fetches the model, or what is missing of it.
static enum status fetch(struct relay_model *model, const char *learner, struct error *error)
{
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", model->job->id);
    snprintf(request.learner, sizeof request.learner, "%s", learner);
    request.model_round = model->round;
    request.offset = model->received;
    request.coded = model->coded;
    request.held_round = model->held_round;
    memcpy(request.held_id, model->held_id, sizeof request.held_id);
    TRY(relay_call(model->job->relay, &model->call, "/cohort.v1.Exchange/FetchModel", &up_events, model,
                   error));
    model_ref(model);
    model->job->n_users++;
    rpc_call_receive(model->call);
    if (rpc_call_send(model->call, cohort_v1_FetchModelRequest_fields, &request, error) == STATUS_OK)
        rpc_call_end(model->call);
    else
        rpc_call_cancel(model->call);
    return STATUS_OK;
}

// ---- requests -------------------------------------------------------------------------------------------

// A coordinator that started over may have another model of the same round: the assignment tells.
static bool is_stale(const struct relay_model *model)
{
    const struct relay_job *job = model->job;
    if (model->failed)
        return true;
    if (!model->has_header || model->round != job->model_round)
        return false;
    return strcmp(model->header.model_id, job->model_id) != 0;
}

static bool is_for(const struct relay_model *model, const cohort_v1_FetchModelRequest *request)
{
    return model->round == request->model_round && model->coded == request->coded &&
           strcmp(model->held_id, request->held_id) == 0 &&
           (!*model->held_id || model->held_round == request->held_round);
}

// Those of an older round, or that cannot be gone on with, are given up.
static void drop_stale(struct relay_job *job, uint32_t round)
{
    for (struct relay_model **link = &job->models; *link;) {
        struct relay_model *model = *link;
        if (model->round == round && !is_stale(model)) {
            link = &model->next;
            continue;
        }
        *link = model->next;
        model->next = NULL;
        model_unref(model);
    }
}

static enum status find_model(struct relay_job *job, cohort_v1_FetchModelRequest *request,
                              struct relay_model **ret, struct error *error)
{
    unsigned int n = 0;
    drop_stale(job, request->model_round);
    for (struct relay_model *it = job->models; it; it = it->next)
        n++;
    if (n >= VARIANTS_MAX)
        *request->held_id = '\0';
    struct relay_model *model = job->models;
    while (model && !is_for(model, request))
        model = model->next;
    if (!model) {
        model = memory_zalloc(sizeof *model);
        if (!model)
            return error_no_memory(error, sizeof *model);
        atomic_init(&model->references, 1);
        model->job = job;
        model->round = request->model_round;
        model->coded = request->coded;
        model->held_round = request->held_round;
        memcpy(model->held_id, request->held_id, sizeof model->held_id);
        model->next = job->models;
        job->models = model;
    }
    *ret = model;
    return STATUS_OK;
}

static enum status open_reader(struct reader *reader, cohort_v1_FetchModelRequest *request,
                               struct error *error)
{
    struct relay_model *model = NULL;
    struct relay_job *job = relay_job_find(reader->relay, request->experiment_id);
    if (!job)
        return error_set(error, STATUS_NOT_FOUND, "no learner behind this relay is in an experiment '%s'",
                         request->experiment_id);
    TRY(find_model(job, request, &model, error));
    bool whole = model->has_header && model->received == model->header.bytes;
    if (!whole && !model->call)
        TRY(fetch(model, request->learner, error));
    reader->model = model_ref(model);
    reader->offset = request->offset;
    job->n_users++;
    pump(reader);
    return STATUS_OK;
}

static void reader_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct reader *reader = user;
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    struct error error = ERROR_INIT;
    enum status status = rpc_message_decode(message, cohort_v1_FetchModelRequest_fields, &request, &error);
    pthread_mutex_lock(&reader->relay->lock);
    if (status == STATUS_OK)
        status = rpc_call_speaks_for(call, request.learner, &error);
    if (status == STATUS_OK && !reader->model) // one request a call
        status = open_reader(reader, &request, &error);
    lease_transfers(&reader->lease, NULL);
    if (status != STATUS_OK)
        end(reader, status, error.message);
    pthread_mutex_unlock(&reader->relay->lock);
}

static void reader_writable(struct rpc_call *call, void *user)
{
    struct reader *reader = user;
    lease_renew(&reader->lease);
    pthread_mutex_lock(&reader->relay->lock);
    if (reader->model)
        pump(reader);
    pthread_mutex_unlock(&reader->relay->lock);
}

static void stop_waiting(struct reader *reader)
{
    struct reader **link = &reader->model->waiting;
    while (*link && *link != reader)
        link = &(*link)->next;
    if (*link)
        *link = reader->next;
}

static void reader_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct reader *reader = user;
    struct relay *relay = reader->relay;
    pthread_mutex_lock(&relay->lock);
    lease_end(&reader->lease);
    if (reader->model) {
        if (reader->is_waiting)
            stop_waiting(reader);
        relay_job_close(reader->model->job);
        model_unref(reader->model);
    }
    pthread_mutex_unlock(&relay->lock);
    memory_free(reader);
}

static const struct rpc_events reader_events = {
    .message = reader_message,
    .writable = reader_writable,
    .closed = reader_closed,
};

void relay_fetch_model(struct rpc_call *call, void *service)
{
    struct relay *relay = service;
    struct reader *reader = memory_zalloc(sizeof *reader);
    if (!reader) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    reader->relay = relay;
    reader->call = call;
    pthread_mutex_lock(&relay->lock);
    lease_begin(&relay->leases, &reader->lease, call);
    pthread_mutex_unlock(&relay->lock);
    rpc_call_set_events(call, &reader_events, reader);
    rpc_call_receive(call);
}
