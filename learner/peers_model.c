// Whole models between learners: one that missed a round catches up with one that did not, and users fetch
// what the coordinator does not have.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cohort/v1/learner.pb.h"
#include "learner/channels.h"
#include "learner/host.h"
#include "store/safetensors.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

#define PATH "/cohort.v1.Learner/GetModel"

// ---- catching up ----------------------------------------------------------------------------------------

struct catch_up {
    struct learner *learner;
    struct peer_channel *channel;
    struct rpc_call *call;
    bool has_header, cancelled;
    uint64_t bytes, received;
    struct error error;
};

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct catch_up *it = user;
    if (offset != it->received || bytes > it->bytes - it->received) {
        error_set(&it->error, STATUS_DATA_LOSS, "the peer sent bytes out of order");
        return false;
    }
    memcpy((uint8_t *)it->learner->peer.kept + offset, run, bytes); // nobody else writes while it is fetched
    it->received += bytes;
    return true;
}

static void check_header(struct catch_up *it, const cohort_v1_ModelHeader *header)
{
    it->has_header = true;
    if (header->bytes != it->bytes || header->round != it->learner->assignment.model_round)
        error_set(&it->error, STATUS_FAILED_PRECONDITION,
                  "the peer has %llu bytes of round %u; %llu of round %u were due",
                  (unsigned long long)header->bytes, header->round, (unsigned long long)it->bytes,
                  it->learner->assignment.model_round);
}

static void catch_up_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct catch_up *it = user;
    cohort_v1_GetModelResponse response = cohort_v1_GetModelResponse_init_zero;
    struct rpc_chunk chunk = {0};
    enum status status =
        it->has_header
            ? rpc_message_decode_chunk(message, NULL, NULL, &chunk, take, it, &it->error)
            : rpc_message_decode(message, cohort_v1_GetModelResponse_fields, &response, &it->error);
    if (status == STATUS_OK && response.has_header)
        check_header(it, &response.header);
    pb_release(cohort_v1_GetModelResponse_fields, &response);
    if (status != STATUS_OK || it->error.status != STATUS_OK)
        rpc_call_cancel(call);
    else
        rpc_call_receive(call);
}

// In a ring: the very model that the round starts from.
static bool is_announced(const struct learner *learner, struct catch_up *it)
{
    char digest[DIGEST_HEX_BYTES];
    if (!*learner->assignment.model_digest)
        return true;
    digest_hex(digest_of(learner->peer.kept, learner->study->plan.n_values * sizeof(float)), digest);
    if (strcmp(digest, learner->assignment.model_digest) == 0)
        return true;
    error_set(&it->error, STATUS_DATA_LOSS, "the peer has another model than the round's");
    return false;
}

static void caught_up(struct learner *learner)
{
    struct peer_round *round = &learner->peer;
    round->has_kept = true;
    round->kept_of = learner->assignment.model_round;
    memcpy(round->kept_digest, learner->assignment.model_digest, sizeof round->kept_digest);
    round->stamp++;
    log_info("caught up", LOG_S("learner", learner->name), LOG_I("round", round->kept_of));
    learner->activity = ACTIVITY_NONE;
    peer_round_caught_up(learner);
}

static void catch_up_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct catch_up *it = user;
    struct learner *learner = it->learner;
    struct host *host = learner->host;
    pthread_mutex_lock(&host->lock);
    learner->peer.catch_up = NULL;
    if (it->cancelled) {
        learner->activity = ACTIVITY_NONE;
        learner_go_on(learner);
    } else if (status == STATUS_OK && it->received == it->bytes && is_announced(learner, it)) {
        caught_up(learner);
    } else {
        log_debug("fetching the model from a peer failed", LOG_S("learner", learner->name),
                  LOG_S("status", status_name(status)),
                  LOG_S("error", it->error.status ? it->error.message : message));
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
        learner->model_gone = learner->n_retries > 2 * learner->peer.n_sources + 1; // others may have it
    }
    peer_channel_give(it->channel);
    pthread_mutex_unlock(&host->lock);
    rpc_call_unref(it->call);
    memory_free(it);
}

static const struct rpc_events catch_up_events = {.message = catch_up_message, .closed = catch_up_closed};

static enum status start(struct catch_up *it, const cohort_v1_Peer *source, struct error *error)
{
    struct learner *learner = it->learner;
    cohort_v1_GetModelRequest request = cohort_v1_GetModelRequest_init_zero;
    snprintf(request.learner, sizeof request.learner, "%s", source->learner);
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", learner->study->id);
    request.round = learner->assignment.model_round;
    request.state = true;
    TRY(peer_channel_take(learner->host, source->address, &it->channel, error));
    enum status status =
        rpc_call_start(&it->call, it->channel->channel, PATH, 0, false, &catch_up_events, it, error);
    if (status != STATUS_OK) {
        peer_channel_give(it->channel);
        return status;
    }
    learner->peer.catch_up = it;
    rpc_call_receive(it->call);
    if (rpc_call_send(it->call, cohort_v1_GetModelRequest_fields, &request, error) == STATUS_OK)
        rpc_call_end(it->call);
    else
        rpc_call_cancel(it->call);
    return STATUS_OK;
}

void peer_model_catch_up(struct learner *learner)
{
    struct peer_round *round = &learner->peer;
    struct error error = ERROR_INIT;
    learner->activity = ACTIVITY_NONE;
    if (round->n_sources == 0) {
        learner_decline(learner,
                        "the round's model is with no learner that is here; it joins in again when one "
                        "is");
        return;
    }
    struct catch_up *it = memory_zalloc(sizeof *it);
    round->has_kept = false;
    round->stamp++;
    if (it) {
        it->learner = learner;
        it->bytes = plan_kept_values(&learner->study->plan) * sizeof(float);
        learner->activity = ACTIVITY_FETCHING;
        if (start(it, &round->sources[learner->n_retries % round->n_sources], &error) == STATUS_OK)
            return;
        memory_free(it);
    }
    log_warn("cannot fetch the model from a peer", LOG_S("learner", learner->name),
             LOG_S("error", error.message));
    learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
}

void peer_model_cancel(struct learner *learner)
{
    if (!learner->peer.catch_up)
        return;
    learner->peer.catch_up->cancelled = true;
    rpc_call_cancel(learner->peer.catch_up->call);
}

// ---- serving --------------------------------------------------------------------------------------------

// Chunks are copied: the model may go while one is on its way.
struct model_call {
    struct host *host;
    struct learner *learner; // NULL before the request and after the end
    struct bytes header;     // of the safetensors file; empty for a peer
    uint32_t round;
    unsigned long stamp;
    uint64_t offset, bytes;
};

static struct learner *find(struct host *host, const char *name)
{
    for (size_t i = 0; i < host->n_learners; i++)
        if (strcmp(host->learners[i].name, name) == 0 || (!*name && host->n_learners == 1))
            return &host->learners[i];
    return NULL;
}

static enum status write_header(struct model_call *it, struct error *error)
{
    struct layout layout = {0};
    TRY(plan_layout(&it->learner->study->plan, it->learner->variant->model, &layout, error));
    enum status status = safetensors_header(&layout, &it->header, error);
    layout_release(&layout);
    return status;
}

// Under the lock.
static enum status open_model(struct model_call *it, const cohort_v1_GetModelRequest *request,
                              cohort_v1_ModelHeader *ret, struct error *error)
{
    struct learner *learner = find(it->host, request->learner);
    if (!learner)
        return error_set(error, STATUS_NOT_FOUND,
                         "this process hosts no learner '%s'; GetStatus tells the names", request->learner);
    if (!learner_between_peers(learner) || strcmp(learner->study->id, request->experiment_id) != 0)
        return error_set(
            error, STATUS_FAILED_PRECONDITION,
            "learner '%s' is in no experiment '%s' between peers; ask the coordinator for the model",
            learner->name, request->experiment_id);
    if (!peer_round_model(learner, request->round))
        return error_set(error, STATUS_NOT_FOUND,
                         "learner '%s' has no model of round %u (any more); ask for the last round",
                         learner->name, request->round);
    const struct algorithm_plan *plan = &learner->study->plan;
    it->learner = learner;
    it->round = request->round;
    it->stamp = learner->peer.stamp;
    if (!request->state)
        TRY(write_header(it, error));
    it->bytes = request->state ? plan_kept_values(plan) * sizeof(float)
                               : it->header.n + plan->n_values * sizeof(float);
    snprintf(ret->experiment_id, sizeof ret->experiment_id, "%s", learner->study->id);
    ret->round = request->round;
    ret->bytes = it->bytes;
    return STATUS_OK;
}

static void model_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct model_call *it = user;
    cohort_v1_GetModelRequest request = cohort_v1_GetModelRequest_init_zero;
    cohort_v1_GetModelResponse response = cohort_v1_GetModelResponse_init_zero;
    struct error error = ERROR_INIT;
    if (it->learner)
        return; // one request a call
    enum status status = rpc_message_decode(message, cohort_v1_GetModelRequest_fields, &request, &error);
    if (status == STATUS_OK) {
        pthread_mutex_lock(&it->host->lock);
        status = open_model(it, &request, &response.header, &error);
        pthread_mutex_unlock(&it->host->lock);
    }
    response.has_header = true;
    if (status == STATUS_OK)
        status = rpc_call_send(call, cohort_v1_GetModelResponse_fields, &response, &error);
    if (status != STATUS_OK)
        rpc_call_finish(call, status, error.message);
}

// Copies the next bytes, at most a chunk; 0 when the model has gone.
static size_t copy_chunk(struct model_call *it, uint8_t *ret)
{
    size_t n = it->bytes - it->offset < RPC_CHUNK_BYTES ? (size_t)(it->bytes - it->offset) : RPC_CHUNK_BYTES;
    if (it->offset < it->header.n) {
        n = it->header.n - (size_t)it->offset < n ? it->header.n - (size_t)it->offset : n;
        memcpy(ret, it->header.data + it->offset, n);
        return n;
    }
    pthread_mutex_lock(&it->host->lock);
    const float *values =
        it->learner->peer.stamp == it->stamp ? peer_round_model(it->learner, it->round) : NULL;
    if (values)
        memcpy(ret, (const uint8_t *)values + (it->offset - it->header.n), n);
    pthread_mutex_unlock(&it->host->lock);
    return values ? n : 0;
}

static void release_chunk(void *chunk)
{
    memory_free(chunk);
}

static void model_writable(struct rpc_call *call, void *user)
{
    struct model_call *it = user;
    if (!it->learner)
        return;
    if (it->offset == it->bytes) {
        it->learner = NULL;
        rpc_call_finish(call, STATUS_OK, "");
        return;
    }
    uint8_t *chunk = memory_alloc(RPC_CHUNK_BYTES);
    size_t n = chunk ? copy_chunk(it, chunk) : 0;
    if (n == 0 || rpc_call_send_chunk(call, it->offset, chunk, n, release_chunk, chunk, NULL) != STATUS_OK) {
        if (n == 0)
            memory_free(chunk);
        it->learner = NULL;
        rpc_call_finish(call, STATUS_ABORTED, "the model was replaced by a later round's; ask for that one");
        return;
    }
    it->offset += n;
}

static void model_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct model_call *it = user;
    bytes_release(&it->header);
    memory_free(it);
}

void peer_model_open_call(struct rpc_call *call, void *host)
{
    static const struct rpc_events events = {
        .message = model_message, .writable = model_writable, .closed = model_closed};
    struct model_call *it = memory_zalloc(sizeof *it);
    if (!it) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    it->host = host;
    rpc_call_set_events(call, &events, it);
    rpc_call_receive(call);
}
