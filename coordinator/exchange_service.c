// cohort.v1.Exchange: what learners call. Attend stands in attend.c.
#include "base/clock.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/sender.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

// ---- FetchModel -----------------------------------------------------------------------------------------

struct fetch {
    struct coordinator *coordinator;
    struct lease lease;
    struct job *job;
    struct sender *sender;
    bool ended; // the learner's side: in place, it has read everything
};

static enum status open_fetch(struct fetch *fetch, const cohort_v1_FetchModelRequest *request,
                              cohort_v1_ModelHeader *ret_header, struct error *error)
{
    struct version *version = NULL;
    struct job *job = job_find(fetch->coordinator, request->experiment_id);
    if (!job)
        return error_set(error, STATUS_NOT_FOUND, "there is no experiment '%s'", request->experiment_id);
    TRY(job_version(job, request->model_round, &version, error));
    fetch->job = job;
    lease_transfers(&fetch->lease, NULL);
    snprintf(ret_header->experiment_id, sizeof ret_header->experiment_id, "%s", job->id);
    ret_header->round = version->round;
    memcpy(ret_header->model_id, version->id, sizeof ret_header->model_id);
    struct coded_parts coded = {0};
    if (request->coded)
        coded = downlink_find(&job->downlink, version->round, request->held_round, request->held_id);
    ret_header->bytes = coded.n ? coded.bytes : version->n_shared * sizeof(float);
    if (coded.n) {
        version_unref(version);
        ret_header->coded = true;
        ret_header->differences = coded.parts[0]->differs ? coded.n : 0;
        TRY(sender_of_parts(&fetch->sender, &coded, request->offset, error));
    } else {
        TRY(sender_of_version(&fetch->sender, version, false, request->offset, error));
    }
    struct cross_peer *reader = cross_peers_find(&fetch->coordinator->cross_peers,
                                                 request->memory_token.bytes, request->memory_token.size);
    if (reader) {
        cross_peer_give(reader, job->id, ret_header->round, ret_header->model_id);
        sender_in_place(fetch->sender);
    }
    return STATUS_OK;
}

static void fetch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct fetch *fetch = user;
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    struct error error = ERROR_INIT;
    if (fetch->sender)
        return; // one request a call
    enum status status = rpc_message_decode(message, cohort_v1_FetchModelRequest_fields, &request, &error);
    if (status == STATUS_OK)
        status = rpc_call_speaks_for(call, request.learner, &error);
    if (status == STATUS_OK) {
        coordinator_lock(fetch->coordinator);
        status = open_fetch(fetch, &request, &response.header, &error);
        coordinator_unlock(fetch->coordinator);
    }
    response.has_header = true;
    if (status == STATUS_OK)
        status = rpc_call_send(call, cohort_v1_FetchModelResponse_fields, &response, &error);
    if (status != STATUS_OK)
        rpc_call_finish(call, status, error.message);
    else
        rpc_call_receive(call); // to hear the end
}

static void finish_read(const struct fetch *fetch, struct rpc_call *call)
{
    if (fetch->ended && fetch->sender && sender_is_told(fetch->sender))
        rpc_call_finish(call, STATUS_OK, "");
}

static void fetch_writable(struct rpc_call *call, void *user)
{
    struct fetch *fetch = user;
    lease_renew(&fetch->lease);
    if (!fetch->sender)
        return;
    sender_pump(fetch->sender, call);
    finish_read(fetch, call);
}

static void fetch_ended(struct rpc_call *call, void *user)
{
    struct fetch *fetch = user;
    fetch->ended = true;
    finish_read(fetch, call);
}

static void fetch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct fetch *fetch = user;
    coordinator_lock(fetch->coordinator);
    lease_end(&fetch->lease);
    if (fetch->sender)
        fetch->job->bytes_down += sender_sent(fetch->sender);
    coordinator_unlock(fetch->coordinator);
    sender_free(fetch->sender);
    memory_free(fetch);
}

static const struct rpc_events fetch_events = {
    .message = fetch_message,
    .ended = fetch_ended,
    .writable = fetch_writable,
    .closed = fetch_closed,
};

static void fetch_model(struct rpc_call *call, void *service)
{
    struct fetch *fetch = memory_zalloc(sizeof *fetch);
    if (!fetch) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    fetch->coordinator = service;
    coordinator_lock(fetch->coordinator);
    lease_begin(&fetch->coordinator->leases, &fetch->lease, call);
    coordinator_unlock(fetch->coordinator);
    rpc_call_set_events(call, &fetch_events, fetch);
    rpc_call_receive(call);
}

// ---- SubmitSummary --------------------------------------------------------------------------------------

struct submission {
    struct coordinator *coordinator;
    struct lease lease; // the upload's own: heartbeats do not renew it
    struct member *member;
    struct job_upload upload;    // upload.upload is NULL before the header and after the end
    struct partial members;      // received with the header: whose summaries a partial sum holds
    struct job_partial sum;      // such a sum, instead of `upload`
    struct cross_memory *memory; // that places are in; NULL: bytes come
    bool answered;
    int64_t seen_ms;
};

// The upload under way; NULL before the header and after the end.
static struct upload *upload_of(const struct submission *submission)
{
    return submission->sum.upload ? submission->sum.upload : submission->upload.upload;
}

static void answer(struct submission *submission, struct rpc_call *call, bool accepted,
                   cohort_v1_Reason reason, const char *message)
{
    cohort_v1_SubmitSummaryResponse response = cohort_v1_SubmitSummaryResponse_init_zero;
    submission->answered = true;
    response.accepted = accepted;
    response.reason = reason;
    snprintf(response.message, sizeof response.message, "%.500s", message);
    rpc_call_send(call, cohort_v1_SubmitSummaryResponse_fields, &response, NULL);
    rpc_call_finish(call, STATUS_OK, "");
}

// A learner whose summary takes all of a slow line cannot be heard beside it.
static void upload_moved(struct lease *lease)
{
    struct submission *submission = container_of(lease, struct submission, lease);
    const cohort_v1_AttendResponse moving = {.which_event = cohort_v1_AttendResponse_moving_tag};
    if (!submission->member)
        return;
    member_seen(submission->member);
    member_send(submission->member, &moving);
}

static void submit_header(struct submission *submission, struct rpc_call *call,
                          const cohort_v1_SubmitSummaryRequest *request)
{
    struct coordinator *coordinator = submission->coordinator;
    const cohort_v1_SummaryHeader *header = &request->header;
    cohort_v1_Reason reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    struct error error = ERROR_INIT;
    enum status status = STATUS_NOT_FOUND;
    coordinator_lock(coordinator);
    struct job *job = job_find_live(coordinator, header->experiment_id, &reason, &error);
    bool is_sum = strcmp(header->codec, PARTIAL_CODEC) == 0;
    submission->memory = cross_peer_memory(
        cross_peers_find(&coordinator->cross_peers, request->memory_token.bytes, request->memory_token.size));
    if (job && is_sum)
        status =
            job_partial_begin(job, header, &submission->members, call, &submission->sum, &reason, &error);
    else if (job)
        status = job_upload_begin(job, header, request->offset, submission->memory != NULL, call,
                                  &submission->upload, &reason, &error);
    if (status == STATUS_OK && !is_sum)
        submission->member = job->slots[submission->upload.slot].member;
    if (status == STATUS_OK) {
        lease_transfers(&submission->lease, upload_moved);
        if (submission->member)
            member_seen(submission->member);
    }
    coordinator_unlock(coordinator);
    if (status != STATUS_OK)
        answer(submission, call, status == STATUS_ALREADY_EXISTS, reason, error.message);
}

static const char moved_on[] = "the round was collected anew or is over; wait for the next assignment";

static void end_upload(struct submission *submission, struct rpc_call *call, enum status finished,
                       const struct error *error)
{
    cohort_v1_Reason reason =
        finished == STATUS_OK ? cohort_v1_Reason_REASON_UNSPECIFIED : job_upload_reason(error);
    coordinator_lock(submission->coordinator);
    bool counts = submission->sum.upload ? job_partial_end(&submission->sum, finished, reason, error)
                                         : job_upload_end(&submission->upload, finished, reason, error);
    coordinator_unlock(submission->coordinator);
    if (finished != STATUS_OK)
        answer(submission, call, false, reason, error->message);
    else if (!counts)
        answer(submission, call, false, cohort_v1_Reason_REASON_SUPERSEDED, moved_on);
    else
        answer(submission, call, true, cohort_v1_Reason_REASON_UNSPECIFIED, "");
}

// Any byte of progress renews the lease; the lock is not taken for each.
static void renew_lease(struct submission *submission)
{
    int64_t now_ms = clock_monotonic_ms();
    lease_renew(&submission->lease);
    if (!submission->member || now_ms - submission->seen_ms < submission->coordinator->options->lease_ms / 8)
        return;
    submission->seen_ms = now_ms;
    coordinator_lock(submission->coordinator);
    member_seen(submission->member);
    coordinator_unlock(submission->coordinator);
}

// Where the bytes go: straight into the upload, unless someone else has to see them.
static enum status take_chunk(struct submission *submission, struct rpc_message *message,
                              cohort_v1_SubmitSummaryRequest *request, struct error *error)
{
    struct job_upload *upload = &submission->upload;
    struct rpc_chunk chunk;
    if (upload->upload && job_spool_pays(upload, rpc_message_bytes(message))) {
        coordinator_lock(submission->coordinator);
        job_spool_begin(upload);
        coordinator_unlock(submission->coordinator);
    }
    bool seen = upload->upload && (upload->spool || upload->hash);
    bool (*take)(void *, uint64_t, const uint8_t *, size_t) = seen ? job_upload_take : upload_take;
    void *taker = seen ? (void *)upload : (void *)upload_of(submission);
    enum status status = rpc_message_decode_chunk(message, cohort_v1_SubmitSummaryRequest_fields, request,
                                                  &chunk, take, taker, error);
    if (status == STATUS_OK && request->has_place)
        status = chunk.present ? error_set(error, STATUS_INVALID_ARGUMENT,
                                           "a message has data and a place; send one of them")
                               : cross_place_take(submission->memory, &request->place, take, taker, error);
    if (status == STATUS_OK && request->has_header && upload->upload)
        job_upload_note_hash(upload, &request->header);
    return status;
}

static void submit_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct submission *submission = user;
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    struct error error = ERROR_INIT;
    if (submission->answered)
        return;
    bool first = upload_of(submission) == NULL;
    if (first)
        partial_receive(&submission->members, &request);
    enum status status =
        first ? rpc_message_decode(message, cohort_v1_SubmitSummaryRequest_fields, &request, &error)
              : take_chunk(submission, message, &request, &error);
    if (status == STATUS_OK && first && !request.has_header)
        status = error_set(&error, STATUS_INVALID_ARGUMENT, "the first message must hold the header");
    if (status == STATUS_OK && first)
        status = partial_check_speaker(&submission->members, &request.header, call, &error);
    if (status == STATUS_OK && first)
        submit_header(submission, call, &request);
    else if (!first)
        renew_lease(submission);
    if (submission->answered)
        return;
    if (!first && upload_fault(upload_of(submission))->status != STATUS_OK) {
        error = *upload_fault(upload_of(submission));
        end_upload(submission, call, error.status, &error);
    } else if (status != STATUS_OK) {
        submission->answered = true;
        rpc_call_finish(call, status, error.message);
    } else {
        rpc_call_receive(call);
    }
}

// True when the summary is to be folded now; else it has been answered.
static bool take_whole(struct submission *submission, struct rpc_call *call, struct error *error)
{
    coordinator_lock(submission->coordinator);
    enum round_whole whole = job_upload_whole(&submission->upload, error);
    coordinator_unlock(submission->coordinator);
    if (whole == WHOLE_PARK)
        answer(submission, call, true, cohort_v1_Reason_REASON_UNSPECIFIED, "");
    else if (whole == WHOLE_STALE)
        answer(submission, call, false, cohort_v1_Reason_REASON_STALE, error->message);
    else if (whole == WHOLE_VOID)
        answer(submission, call, false, cohort_v1_Reason_REASON_SUPERSEDED, moved_on);
    return whole == WHOLE_FOLD;
}

static void submit_ended(struct rpc_call *call, void *user)
{
    struct submission *submission = user;
    struct error error = ERROR_INIT;
    if (submission->answered)
        return;
    if (!upload_of(submission)) {
        submission->answered = true;
        rpc_call_finish(call, STATUS_INVALID_ARGUMENT, "a summary needs a header; send it first");
        return;
    }
    if (!submission->sum.upload && !take_whole(submission, call, &error))
        return;
    int64_t begun_ns = trace_begin();
    enum status status =
        submission->sum.upload ? STATUS_OK : job_upload_check_hash(&submission->upload, &error);
    if (status == STATUS_OK)
        status = upload_finish(upload_of(submission), &error);
    trace_end("fold", begun_ns, JOB_TRACK_SLOTS + submission->upload.slot, submission->upload.round);
    end_upload(submission, call, status, &error);
}

static void submit_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct submission *submission = user;
    struct error error = ERROR_INIT;
    error_set(&error, STATUS_CANCELLED, "the connection broke");
    coordinator_lock(submission->coordinator);
    lease_end(&submission->lease);
    if (submission->sum.upload)
        job_partial_end(&submission->sum, STATUS_CANCELLED, cohort_v1_Reason_REASON_UNSPECIFIED, &error);
    if (submission->upload.upload && !job_keep(&submission->upload))
        job_upload_end(&submission->upload, STATUS_CANCELLED, cohort_v1_Reason_REASON_UNSPECIFIED, &error);
    coordinator_unlock(submission->coordinator);
    partial_release(&submission->members);
    cross_memory_unref(submission->memory);
    memory_free(submission);
}

static const struct rpc_events submit_events = {
    .message = submit_message,
    .ended = submit_ended,
    .closed = submit_closed,
};

static void submit_summary(struct rpc_call *call, void *service)
{
    struct submission *submission = memory_zalloc(sizeof *submission);
    if (!submission) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    submission->coordinator = service;
    coordinator_lock(submission->coordinator);
    lease_begin(&submission->coordinator->leases, &submission->lease, call);
    coordinator_unlock(submission->coordinator);
    rpc_call_set_events(call, &submit_events, submission);
    rpc_call_receive(call);
}

static const struct rpc_method methods[] = {
    {.path = "/cohort.v1.Exchange/Attend", .open = exchange_attend},
    {.path = "/cohort.v1.Exchange/FetchModel", .open = fetch_model},
    {.path = "/cohort.v1.Exchange/OfferSummary",
     .request_fields = cohort_v1_OfferSummaryRequest_fields,
     .request_bytes = sizeof(cohort_v1_OfferSummaryRequest),
     .unary = offer_summary},
    {.path = "/cohort.v1.Exchange/SubmitSummary", .open = submit_summary},
    {0},
};

struct rpc_service exchange_service(struct coordinator *coordinator)
{
    return (struct rpc_service){.name = "cohort.v1.Exchange", .methods = methods, .self = coordinator};
}
