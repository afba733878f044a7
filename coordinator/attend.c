// Exchange.Attend: the stream on which a learner joins, is told what to do and answers.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "rpc/security.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

struct attendance {
    struct coordinator *coordinator;
    struct lease lease;    // until it has joined; from then on the member has one
    struct member *member; // after Join
    // To the learner's process, where that is on this machine; or NULL. With it a reference to the stream.
    struct cross_line *line;
    struct rpc_call *call;
    bool left;
    char farewell[256];
    int64_t second_ms; // since when `n_messages` are counted
    int64_t n_messages;
    uint64_t n_assigned; // of its member, at that time
};

// Counts a message against limits.messages: beyond one for each assignment, of which there may be thousands a
// second. Under the lock.
static enum status count_message(struct attendance *attendance, struct error *error)
{
    int64_t most = attendance->coordinator->options->max_messages, now_ms = clock_monotonic_ms();
    uint64_t n_assigned = attendance->member ? attendance->member->n_assigned : 0;
    if (now_ms - attendance->second_ms >= 1000) {
        attendance->second_ms = now_ms;
        attendance->n_messages = 0;
        attendance->n_assigned = n_assigned;
    }
    int64_t n_asked_for = (int64_t)(n_assigned - attendance->n_assigned);
    if (!most || ++attendance->n_messages - n_asked_for <= most)
        return STATUS_OK;
    attendance->coordinator->n_streams_ended++;
    return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                     "more than '%lld' messages in a second on the control stream; send fewer, or raise the "
                     "coordinator's limits.messages",
                     (long long)most);
}

static void line_message(void *user, const uint8_t *bytes, size_t n);

// A line to a learner's process on this machine, if it lets one in.
static void open_line(struct attendance *attendance, struct rpc_call *call, cohort_v1_Welcome *ret)
{
    struct cross_peers *peers = &attendance->coordinator->cross_peers;
    struct cross_token token;
    attendance->call = rpc_call_ref(call);
    attendance->line = cross_peer_line(peers, attendance->member->cross, line_message, attendance, &token);
    if (!attendance->line)
        return;
    ret->line.size = sizeof token;
    memcpy(ret->line.bytes, &token, sizeof token);
}

static void welcome(struct attendance *attendance, struct rpc_call *call, bool with_line)
{
    struct coordinator *coordinator = attendance->coordinator;
    struct member *member = attendance->member;
    cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
    message.which_event = cohort_v1_AttendResponse_welcome_tag;
    message.event.welcome.epoch = coordinator->epoch;
    message.event.welcome.lease_ms = coordinator->options->lease_ms;
    message.event.welcome.heartbeat_ms = coordinator->options->lease_ms / 3;
    message.event.welcome.protocol_version = PROTOCOL_VERSION;
    message.event.welcome.has_memory = member->cross != NULL;
    if (member->cross)
        cross_peers_tell(&coordinator->cross_peers, &message.event.welcome.memory);
    if (member->cross && with_line)
        open_line(attendance, call, &message.event.welcome);
    member_send(member, &message);
}

static void join(struct attendance *attendance, struct rpc_call *call, const cohort_v1_Join *request)
{
    cohort_v1_Reason reason;
    struct error error = ERROR_INIT;
    if (attendance->member)
        return;
    reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    enum status status = rpc_call_speaks_for(call, request->learner, &error);
    if (status == STATUS_OK)
        status = member_join(attendance->coordinator, request, call, &attendance->member, &reason, &error);
    if (status != STATUS_OK) {
        cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
        message.which_event = cohort_v1_AttendResponse_dismiss_tag;
        message.event.dismiss.reason = reason;
        snprintf(message.event.dismiss.message, sizeof message.event.dismiss.message, "%.500s",
                 error.message);
        rpc_call_send(call, cohort_v1_AttendResponse_fields, &message, NULL);
        rpc_call_finish(call, status, error.message);
        return;
    }
    lease_end(&attendance->lease);
    welcome(attendance, call, request->line);
    coordinator_place(attendance->coordinator, attendance->member);
}

// The member, if this stream is still the one that speaks for it.
static struct member *speaker(const struct attendance *attendance, const struct rpc_call *call)
{
    struct member *member = attendance->member;
    return member && member->call == call ? member : NULL;
}

static struct job *job_of_speaker(const struct member *member, const char *experiment_id)
{
    return member->job && strcmp(member->job->id, experiment_id) == 0 ? member->job : NULL;
}

static void ready(struct member *member, const cohort_v1_Ready *request)
{
    struct error error = ERROR_INIT;
    struct job *job = job_of_speaker(member, request->experiment_id);
    if (!job)
        return; // of an experiment that is over
    if (request->anew && member->has_data) {
        round_learner_anew(job->round, member->slot, clock_monotonic_ms());
        return;
    }
    if (job_ready(job, member, &request->data, &error) != STATUS_OK) {
        member_dismiss(member, job->id, cohort_v1_Reason_REASON_INCOMPATIBLE, error.message);
        job_declined(job, member, 0, error.message);
        coordinator_enrol(job->coordinator);
    }
}

static void decline(struct member *member, const cohort_v1_Decline *request)
{
    struct job *job = job_of_speaker(member, request->experiment_id);
    if (!job)
        return;
    job_declined(job, member, request->round, request->message);
    if (!member->job)
        coordinator_enrol(job->coordinator);
}

static void evaluated(struct member *member, const cohort_v1_Evaluated *request)
{
    struct job *job = job_of_speaker(member, request->experiment_id);
    if (job)
        job_evaluated(job, member, request);
}

static void exchanged(struct member *member, const cohort_v1_Exchanged *message)
{
    struct job *job = job_of_speaker(member, message->experiment_id);
    if (job)
        job_peers_exchanged(job, member, message);
}

// What is to be done at once, without the lock; NULL: nothing.
static struct pool_job *hear_summary(struct coordinator *coordinator, struct member *member,
                                     const cohort_v1_SmallSummary *summary)
{
    pool_turn_begin(&coordinator->turn);
    small_summary(coordinator, member, summary);
    return pool_turn_end(&coordinator->turn);
}

// The same of one that lies in its process's memory: that is read, and folded, without the lock.
static struct pool_job *hear_place(struct attendance *attendance, const struct rpc_call *call,
                                   const cohort_v1_SmallSummary *summary)
{
    struct coordinator *coordinator = attendance->coordinator;
    struct summary_reading reading;
    summary_in_place(coordinator, attendance->member, summary, &reading);
    coordinator_unlock(coordinator);
    summary_read(&reading, summary);
    coordinator_lock(coordinator);
    reading.member = speaker(attendance, call);
    pool_turn_begin(&coordinator->turn);
    summary_conclude(&reading);
    return pool_turn_end(&coordinator->turn);
}

static enum status hear(struct attendance *attendance, struct rpc_call *call,
                        const cohort_v1_AttendRequest *request, struct pool_job **ret_at_once,
                        struct error *error)
{
    TRY(count_message(attendance, error));
    if (request->which_event == cohort_v1_AttendRequest_join_tag)
        join(attendance, call, &request->event.join);
    struct member *member = speaker(attendance, call);
    if (!member)
        return STATUS_OK;
    member_seen(member);
    switch (request->which_event) {
    case cohort_v1_AttendRequest_heartbeat_tag:
        member->peak_rss_bytes = request->event.heartbeat.peak_rss_bytes;
        break;
    case cohort_v1_AttendRequest_ready_tag:
        ready(member, &request->event.ready);
        break;
    case cohort_v1_AttendRequest_decline_tag:
        decline(member, &request->event.decline);
        break;
    case cohort_v1_AttendRequest_evaluated_tag:
        evaluated(member, &request->event.evaluated);
        break;
    case cohort_v1_AttendRequest_exchanged_tag:
        exchanged(member, &request->event.exchanged);
        break;
    case cohort_v1_AttendRequest_summary_tag:
        *ret_at_once = request->event.summary.has_place
                           ? hear_place(attendance, call, &request->event.summary)
                           : hear_summary(attendance->coordinator, member, &request->event.summary);
        break;
    case cohort_v1_AttendRequest_leave_tag:
        attendance->left = true;
        snprintf(attendance->farewell, sizeof attendance->farewell, "%.250s", request->event.leave.message);
        break;
    default: // of a newer learner: ignored
        break;
    }
    return STATUS_OK;
}

// What was decoded from either way that messages come.
static enum status heard(struct attendance *attendance, struct rpc_call *call, enum status status,
                         cohort_v1_AttendRequest *request, bool on_line, struct error *error)
{
    struct pool_job *at_once = NULL;
    if (status == STATUS_OK) {
        coordinator_lock(attendance->coordinator);
        struct member *member = speaker(attendance, call);
        if (on_line && member)
            member->line = attendance->line; // it listens there; NULL: not any more
        status = hear(attendance, call, request, &at_once, error);
        coordinator_unlock(attendance->coordinator);
    }
    if (at_once)
        at_once->run(at_once);
    pb_release(cohort_v1_AttendRequest_fields, request);
    if (status != STATUS_OK)
        rpc_call_finish(call, status, error->message);
    return status;
}

static void attend_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    struct error error = ERROR_INIT;
    enum status status = rpc_message_decode(message, cohort_v1_AttendRequest_fields, &request, &error);
    if (heard(user, call, status, &request, false, &error) == STATUS_OK)
        rpc_call_receive(call);
}

static void line_message(void *user, const uint8_t *bytes, size_t n)
{
    struct attendance *attendance = user;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    struct error error = ERROR_INIT;
    enum status status = rpc_bytes_decode(bytes, n, cohort_v1_AttendRequest_fields, &request, &error);
    heard(attendance, attendance->call, status, &request, true, &error);
}

static void attend_ended(struct rpc_call *call, void *user)
{
    rpc_call_finish(call, STATUS_OK, "");
}

// What the learner has said on its line before its stream ended is still heard.
static void close_line(struct attendance *attendance, const struct rpc_call *call)
{
    struct coordinator *coordinator = attendance->coordinator;
    coordinator_lock(coordinator);
    struct member *member = speaker(attendance, call);
    struct cross_line *line = attendance->line;
    attendance->line = NULL;
    if (member)
        member->line = NULL;
    coordinator->cross_peers.n_lines -= line != NULL;
    coordinator_unlock(coordinator);
    cross_line_free(line);
    rpc_call_unref(attendance->call);
}

static void attend_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct attendance *attendance = user;
    close_line(attendance, call);
    coordinator_lock(attendance->coordinator);
    lease_end(&attendance->lease);
    struct member *member = speaker(attendance, call);
    if (member)
        member_lost(attendance->coordinator, member, attendance->left,
                    attendance->left ? attendance->farewell : "connection lost");
    if (member && attendance->left)
        coordinator_enrol(attendance->coordinator);
    coordinator_unlock(attendance->coordinator);
    memory_free(attendance);
}

static const struct rpc_events attend_events = {
    .message = attend_message,
    .ended = attend_ended,
    .closed = attend_closed,
};

void exchange_attend(struct rpc_call *call, void *service)
{
    struct attendance *attendance = memory_zalloc(sizeof *attendance);
    if (!attendance) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    attendance->coordinator = service;
    coordinator_lock(attendance->coordinator);
    lease_begin(&attendance->coordinator->leases, &attendance->lease, call);
    coordinator_unlock(attendance->coordinator);
    rpc_call_set_events(call, &attend_events, attendance);
    rpc_call_receive(call);
}
