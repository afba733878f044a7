// What a relay passes on as it is, chunk by chunk: a summary that cannot be added up, and the question
// whether one is wanted. The next chunk is asked for when the transport upstream has taken the one before.
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <stdio.h>
#include <string.h>

// ---- summaries ------------------------------------------------------------------------------------------

struct passage {
    struct relay *relay;
    atomic_uint references;              // the submission's, and the call's upstream
    struct relay_submission *submission; // NULL once its call is over
    struct rpc_call *up;
    bool answered;
    cohort_v1_SubmitSummaryResponse response;
};

static void passage_unref(struct passage *passage)
{
    if (atomic_fetch_sub_explicit(&passage->references, 1, memory_order_acq_rel) != 1)
        return;
    rpc_call_unref(passage->up);
    memory_free(passage);
}

static void up_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct passage *passage = user;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_SubmitSummaryResponse_fields, &passage->response, &error) ==
        STATUS_OK)
        passage->answered = true;
    rpc_call_receive(call);
}

static void up_writable(struct rpc_call *call, void *user)
{
    struct passage *passage = user;
    pthread_mutex_lock(&passage->relay->lock);
    if (passage->submission && !passage->submission->answered)
        rpc_call_receive(passage->submission->call);
    pthread_mutex_unlock(&passage->relay->lock);
}

static void up_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct passage *passage = user;
    struct relay *relay = passage->relay;
    struct relay_submission *submission;
    const cohort_v1_SubmitSummaryResponse *response = &passage->response;
    pthread_mutex_lock(&relay->lock);
    submission = passage->submission;
    if (submission && passage->answered)
        relay_answer(submission, response->accepted, response->reason, response->message);
    else if (submission)
        relay_fail(submission, status ? status : STATUS_UNAVAILABLE, message);
    relay_call_over(relay);
    pthread_mutex_unlock(&relay->lock);
    passage_unref(passage);
}

static const struct rpc_events up_events = {
    .message = up_message,
    .writable = up_writable,
    .closed = up_closed,
};

enum status passage_begin(struct relay_submission *submission, const cohort_v1_SummaryHeader *header,
                          struct error *error)
{
    cohort_v1_SubmitSummaryRequest request = {.has_header = true, .header = *header};
    struct passage *passage = memory_zalloc(sizeof *passage);
    if (!passage)
        return error_no_memory(error, sizeof *passage);
    if (submission->is_sum)
        partial_send(&submission->members, &request);
    passage->relay = submission->relay;
    atomic_init(&passage->references, 2);
    enum status status = relay_call(passage->relay, &passage->up, "/cohort.v1.Exchange/SubmitSummary",
                                    &up_events, passage, error);
    if (status != STATUS_OK) {
        memory_free(passage);
        return status;
    }
    passage->submission = submission;
    submission->passage = passage;
    rpc_call_receive(passage->up);
    if (rpc_call_send(passage->up, cohort_v1_SubmitSummaryRequest_fields, &request, NULL) != STATUS_OK)
        rpc_call_cancel(passage->up);
    return STATUS_OK;
}

struct block {
    size_t n;
    uint8_t bytes[];
};

static bool take_bytes(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct block *block = user; // as large as the whole message
    memcpy(block->bytes + block->n, run, bytes);
    block->n += bytes;
    return true;
}

static void release_block(void *block)
{
    memory_free(block);
}

void passage_message(struct passage *passage, struct rpc_message *message)
{
    struct rpc_chunk chunk;
    struct error error = ERROR_INIT;
    struct block *block = memory_alloc(sizeof *block + rpc_message_bytes(message));
    if (!block) {
        rpc_call_cancel(passage->up);
        return;
    }
    block->n = 0;
    if (rpc_message_decode_chunk(message, NULL, NULL, &chunk, take_bytes, block, &error) != STATUS_OK ||
        !chunk.present) {
        memory_free(block);
        rpc_call_cancel(passage->up);
        return;
    }
    rpc_call_send_chunk(passage->up, chunk.offset, block->bytes, block->n, release_block, block, NULL);
}

void passage_ended(struct passage *passage)
{
    rpc_call_end(passage->up);
}

void passage_closed(struct passage *passage)
{
    passage->submission = NULL;
    rpc_call_cancel(passage->up);
    passage_unref(passage);
}

// ---- offers ---------------------------------------------------------------------------------------------

struct offer {
    struct relay *relay;
    struct rpc_call *down, *up;
    bool answered;
    cohort_v1_OfferSummaryResponse response;
};

static void offer_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct offer *offer = user;
    offer->answered = rpc_message_decode(message, cohort_v1_OfferSummaryResponse_fields, &offer->response,
                                         NULL) == STATUS_OK;
}

static void offer_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct offer *offer = user;
    if (status == STATUS_OK && offer->answered)
        rpc_call_reply(offer->down, cohort_v1_OfferSummaryResponse_fields, &offer->response);
    else
        rpc_call_finish(offer->down, status ? status : STATUS_INTERNAL, message);
    pthread_mutex_lock(&offer->relay->lock);
    relay_call_over(offer->relay);
    pthread_mutex_unlock(&offer->relay->lock);
    rpc_call_unref(offer->down);
    rpc_call_unref(call);
    memory_free(offer);
}

static const struct rpc_events offer_events = {.message = offer_message, .closed = offer_closed};

static enum status ask(struct offer *offer, const void *request, struct error *error)
{
    TRY(relay_call(offer->relay, &offer->up, "/cohort.v1.Exchange/OfferSummary", &offer_events, offer,
                   error));
    rpc_call_receive(offer->up);
    if (rpc_call_send(offer->up, cohort_v1_OfferSummaryRequest_fields, request, NULL) == STATUS_OK)
        rpc_call_end(offer->up);
    else
        rpc_call_cancel(offer->up);
    return STATUS_OK;
}

void relay_offer_summary(struct rpc_call *call, void *service, const void *request)
{
    struct relay *relay = service;
    struct error error = ERROR_INIT;
    const cohort_v1_OfferSummaryRequest *offered = request;
    if (rpc_call_speaks_for(call, offered->header.learner, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    struct offer *offer = memory_zalloc(sizeof *offer);
    enum status status = error_no_memory(&error, sizeof *offer);
    if (offer) {
        *offer = (struct offer){.relay = relay, .down = rpc_call_ref(call)};
        pthread_mutex_lock(&relay->lock);
        status = ask(offer, request, &error);
        pthread_mutex_unlock(&relay->lock);
    }
    if (status == STATUS_OK)
        return;
    rpc_call_fail(call, &error);
    if (offer)
        rpc_call_unref(offer->down);
    memory_free(offer);
}
