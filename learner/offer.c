// Before a summary is sent for a second time, or by a process that did not send it first: how much of it has
// the coordinator already? The summary's SHA-256, by which the coordinator knows it, is made only then, or
// while an upload goes on that takes its time: fast ones never need it.
#include "base/log.h"
#include "base/memory.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

struct offer {
    struct learner *learner;
    struct rpc_call *call; // NULL: not yet
    uint32_t round, attempt;
    unsigned long n_assignments; // that had come when it was made
    bool answered;
    cohort_v1_OfferSummaryResponse response;
};

bool learner_must_offer(const struct learner *learner)
{
    size_t bytes;
    learner_summary_bytes(learner, &bytes);
    return bytes > PACE_FIRST_BYTES && !learner->offered && !learner_between_peers(learner) &&
           (learner->begun_round == learner->assignment.round || learner->assignment.summary_received > 0);
}

uint64_t learner_take_offset(struct learner *learner)
{
    uint64_t offset = learner->offered ? learner->send_from : 0;
    learner->offered = false;
    learner->begun_round = learner->assignment.round;
    return offset;
}

void learner_send_all(struct learner *learner)
{
    learner->begun_round = 0;
    learner->assignment.summary_received = 0;
}

// ---- the answer -----------------------------------------------------------------------------------------

static void wait_and_retry(struct learner *learner)
{
    learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
}

static void answered(struct learner *learner, const struct offer *offer)
{
    const cohort_v1_OfferSummaryResponse *response = &offer->response;
    size_t bytes;
    learner_summary_bytes(learner, &bytes);
    if (response->answer == cohort_v1_OfferSummaryResponse_Answer_ANSWER_HAVE) {
        learner->assigned = false;
        learner_lend_vectors(learner);
    } else if (response->answer == cohort_v1_OfferSummaryResponse_Answer_ANSWER_SEND) {
        learner->offered = true;
        learner->send_from = response->offset <= bytes ? response->offset : 0;
        if (learner->send_from)
            log_info("an upload goes on where it broke off", LOG_S("learner", learner->name),
                     LOG_I("round", offer->round), LOG_I("offset", learner->send_from),
                     LOG_I("bytes", bytes));
    } else if (!learner_may_try_again(response->reason) && offer->n_assignments == learner->n_assignments) {
        log_warn("summary refused", LOG_S("learner", learner->name), LOG_I("round", offer->round),
                 LOG_S("reason", response->message));
        learner->assigned = false;
    } else {
        wait_and_retry(learner);
    }
}

// Under the lock.
static void end(struct offer *offer)
{
    struct learner *learner = offer->learner;
    bool current = learner->assigned && learner->assignment.round == offer->round &&
                   learner->assignment.attempt == offer->attempt;
    learner->offer = NULL;
    learner->activity = ACTIVITY_NONE;
    if (current && offer->answered)
        answered(learner, offer);
    else if (current)
        wait_and_retry(learner);
    learner_go_on(learner);
    rpc_call_unref(offer->call);
    memory_free(offer);
}

static void offer_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct offer *offer = user;
    offer->answered = rpc_message_decode(message, cohort_v1_OfferSummaryResponse_fields, &offer->response,
                                         NULL) == STATUS_OK;
    rpc_call_receive(call);
}

static void offer_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct offer *offer = user;
    struct host *host = offer->learner->host;
    pthread_mutex_lock(&host->lock);
    offer->answered &= status == STATUS_OK;
    end(offer);
    pthread_mutex_unlock(&host->lock);
}

static const struct rpc_events offer_events = {.message = offer_message, .closed = offer_closed};

// ---- the question ---------------------------------------------------------------------------------------

static enum status ask(struct offer *offer, struct error *error)
{
    struct learner *learner = offer->learner;
    cohort_v1_OfferSummaryRequest request = cohort_v1_OfferSummaryRequest_init_zero;
    request.has_header = true;
    learner_fill_header(learner, &request.header);
    TRY(rpc_call_start(&offer->call, learner->host->channel, "/cohort.v1.Exchange/OfferSummary", 0, true,
                       &offer_events, offer, error));
    rpc_call_receive(offer->call);
    if (rpc_call_send(offer->call, cohort_v1_OfferSummaryRequest_fields, &request, error) == STATUS_OK)
        rpc_call_end(offer->call);
    else
        rpc_call_cancel(offer->call);
    return STATUS_OK;
}

// In the pool: the summary is the offer's as long as the learner does nothing else.
static void run_offer(struct pool_job *job)
{
    struct learner *learner = container_of(job, struct learner, job);
    struct offer *offer = learner->offer;
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    uint8_t sha256[SHA256_BYTES];
    size_t bytes;
    const void *data = learner_summary_bytes(learner, &bytes);
    pthread_mutex_lock(&host->lock);
    bool hashed = learner->has_sha256;
    pthread_mutex_unlock(&host->lock);
    if (!hashed)
        sha256_of(data, bytes, sha256);
    pthread_mutex_lock(&host->lock);
    if (!hashed)
        learner_note_sha256(learner, sha256);
    bool wanted = learner->assigned && !host->ending && learner->assignment.round == offer->round &&
                  learner->assignment.attempt == offer->attempt;
    if (!wanted || ask(offer, &error) != STATUS_OK)
        end(offer);
    pthread_mutex_unlock(&host->lock);
}

void learner_note_sha256(struct learner *learner, const uint8_t sha256[SHA256_BYTES])
{
    learner->has_sha256 = true;
    memcpy(learner->sha256, sha256, SHA256_BYTES);
}

void learner_offer(struct learner *learner)
{
    struct offer *offer = memory_zalloc(sizeof *offer);
    if (!offer) {
        wait_and_retry(learner);
        return;
    }
    offer->learner = learner;
    offer->round = learner->assignment.round;
    offer->attempt = learner->assignment.attempt;
    offer->n_assignments = learner->n_assignments;
    learner->offer = offer;
    learner->activity = ACTIVITY_OFFERING;
    learner->job.run = run_offer;
    pool_post(learner->host->pool, &learner->job);
}

void learner_cancel_offer(struct learner *learner)
{
    if (learner->offer->call)
        rpc_call_cancel(learner->offer->call);
}
