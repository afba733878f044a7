// Who attends: joining, leases, good-byes.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include <search.h>
#include <stdio.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

struct member *member_find(const struct coordinator *coordinator, const char *name)
{
    struct member key;
    snprintf(key.name, sizeof key.name, "%s", name);
    void *found = tfind(&key, &coordinator->members_by_name, by_name);
    return found ? *(struct member **)found : NULL;
}

static bool forgettable(const struct member *member)
{
    return !member->call && !member->job && !member->removed && !member_claim(member);
}

// The table is full: the longest gone of those that nothing waits for makes room. Its memory stays in place,
// since calls that are just ending may still point to it.
static enum status rename_forgotten(struct coordinator *coordinator, const char *name, struct member **ret,
                                    struct error *error)
{
    struct member *oldest = NULL;
    for (struct member *member = coordinator->members; member; member = member->next)
        if (forgettable(member) && (!oldest || member->last_seen_ms < oldest->last_seen_ms))
            oldest = member;
    if (!oldest) {
        coordinator->n_learners_refused++;
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "the coordinator holds its limit of %lld learners; raise limits.learners",
                         (long long)coordinator->options->max_learners);
    }
    tdelete(oldest, &coordinator->members_by_name, by_name);
    struct member *next = oldest->next;
    *oldest = (struct member){.next = next};
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    if (!tsearch(oldest, &coordinator->members_by_name, by_name))
        return error_no_memory(error, sizeof *oldest); // nameless until the next one takes its place
    *ret = oldest;
    return STATUS_OK;
}

static enum status add(struct coordinator *coordinator, const char *name, struct member **ret,
                       struct error *error)
{
    if (coordinator->n_members >= (size_t)coordinator->options->max_learners)
        return rename_forgotten(coordinator, name, ret, error);
    struct member *member = memory_zalloc(sizeof *member);
    if (!member)
        return error_no_memory(error, sizeof *member);
    snprintf(member->name, sizeof member->name, "%s", name);
    if (!tsearch(member, &coordinator->members_by_name, by_name)) {
        memory_free(member);
        return error_no_memory(error, sizeof *member);
    }
    *coordinator->members_end = member;
    coordinator->members_end = &member->next;
    coordinator->n_members++;
    *ret = member;
    return STATUS_OK;
}

static bool name_is_fit(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return n > 0 && name[n] == '\0';
}

static enum status check_join(const cohort_v1_Join *join, struct member *known, cohort_v1_Reason *ret_reason,
                              struct error *error)
{
    *ret_reason = cohort_v1_Reason_REASON_INCOMPATIBLE;
    if (join->protocol_version != PROTOCOL_VERSION)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "learner '%s' speaks protocol version %u, this coordinator version %d; update the "
                         "older of the two",
                         join->learner, join->protocol_version, PROTOCOL_VERSION);
    if (!name_is_fit(join->learner))
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "a learner's name must be 1 to 63 letters, digits, '-', '_' or '.'; set another name");
    *ret_reason = cohort_v1_Reason_REASON_REMOVED;
    if (known && known->removed && known->incarnation == join->incarnation)
        return error_set(error, STATUS_PERMISSION_DENIED,
                         "learner '%s' was removed by an operator; restart it to join again", join->learner);
    *ret_reason = cohort_v1_Reason_REASON_SUPERSEDED;
    if (known && known->call && known->incarnation != join->incarnation &&
        join->incarnation < known->incarnation)
        return error_set(error, STATUS_ABORTED,
                         "a newer learner '%s' attends; give each learner a name of its own", join->learner);
    return STATUS_OK;
}

// The stream that spoke for the learner so far ends. Only a newer incarnation sends it away for good: the
// same one came back before its old stream was known to be lost, or somebody repeats what it said, and then
// it comes again.
static void supersede(struct coordinator *coordinator, struct member *member, bool newer)
{
    const char *why = newer ? "a newer incarnation of this learner joined" : "this learner joined once more";
    struct rpc_call *old = rpc_call_ref(member->call);
    if (newer)
        member_dismiss(member, "", cohort_v1_Reason_REASON_SUPERSEDED, why);
    member_lost(coordinator, member, false, why);
    rpc_call_finish(old, STATUS_ABORTED, why);
    rpc_call_unref(old);
}

// Whether this peer may speak for one more learner.
static enum status check_peer(struct coordinator *coordinator, const struct rpc_peer *peer,
                              const struct member *known, struct error *error)
{
    int64_t most = coordinator->options->max_learners_a_peer;
    if (!most && peer->own)
        return STATUS_OK;
    if (!most)
        most = (coordinator->options->max_learners + 1) / 2;
    return headcount_check(&coordinator->headcounts, peer, known ? known->peer : NULL, most, error);
}

enum status member_join(struct coordinator *coordinator, const cohort_v1_Join *join, struct rpc_call *call,
                        struct member **ret, cohort_v1_Reason *ret_reason, struct error *error)
{
    struct member *member = member_find(coordinator, join->learner);
    struct rpc_peer peer;
    TRY(check_join(join, member, ret_reason, error));
    *ret_reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    rpc_call_quota_peer(call, &peer);
    TRY(check_peer(coordinator, &peer, member, error));
    if (!member) {
        TRY(add(coordinator, join->learner, &member, error));
        job_restore_claim(coordinator, member);
    }
    if (member->call)
        supersede(coordinator, member, join->incarnation != member->incarnation);
    member->peer = headcount_add(&coordinator->headcounts, &peer);
    if (!member->peer)
        return error_no_memory(error, sizeof peer);
    if (join->has_memory)
        member->cross = cross_peer_join(&coordinator->cross_peers, &join->memory);
    member->incarnation = join->incarnation;
    member->model_bytes = join->model_bytes;
    member->removed = false;
    member->declined = NULL;
    member->call = rpc_call_ref(call);
    member->state = cohort_v1_LearnerState_LEARNER_STATE_JOINED;
    snprintf(member->version, sizeof member->version, "%s", join->version);
    snprintf(member->address, sizeof member->address, "%s", join->address);
    text_clean(member->version);
    text_clean(member->address);
    member_seen(member);
    *ret = member;
    return STATUS_OK;
}

void member_seen(struct member *member)
{
    member->last_seen_ms = clock_monotonic_ms();
    member->last_seen_unix_ms = clock_unix_ms();
}

void member_lost(struct coordinator *coordinator, struct member *member, bool left, const char *message)
{
    member->call = rpc_call_unref(member->call);
    member->peer = headcount_drop(&coordinator->headcounts, member->peer);
    member->cross = cross_peer_leave(&coordinator->cross_peers, member->cross);
    member->line = NULL;
    if (member->state != cohort_v1_LearnerState_LEARNER_STATE_REMOVED)
        member->state =
            left ? cohort_v1_LearnerState_LEARNER_STATE_LEFT : cohort_v1_LearnerState_LEARNER_STATE_LOST;
    struct job *job = member->job;
    if (!job)
        return;
    member->job = NULL;
    job_event_learner(job, member, message);
    job_member_lost(job, member, left || member->removed);
}

enum status member_remove(struct coordinator *coordinator, const char *name, const char *message,
                          struct error *error)
{
    struct member *member = member_find(coordinator, name);
    if (!member)
        return error_set(error, STATUS_NOT_FOUND, "there is no learner '%s'; ListLearners tells the names",
                         name);
    member->removed = true;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_REMOVED;
    if (!member->call) {
        struct job *job = member_claim(member); // kept for it until now
        if (job)
            job_free_slot(job, member->claimed_slot);
        return STATUS_OK;
    }
    struct rpc_call *call = rpc_call_ref(member->call);
    member_dismiss(member, "", cohort_v1_Reason_REASON_REMOVED,
                   *message ? message : "removed by an operator");
    member_lost(coordinator, member, true, *message ? message : "removed by an operator");
    rpc_call_finish(call, STATUS_PERMISSION_DENIED, "removed by an operator");
    rpc_call_unref(call);
    return STATUS_OK;
}

// It reads nothing any more: it is lost, and may come back.
static void give_up(const struct member *member, enum status status)
{
    if (status != STATUS_OK)
        rpc_call_cancel(member->call);
}

void member_send(struct member *member, const cohort_v1_AttendResponse *message)
{
    const pb_msgdesc_t *fields = cohort_v1_AttendResponse_fields;
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    if (!member->call)
        return;
    if (member->line &&
        message->which_event != cohort_v1_AttendResponse_moving_tag) // the connection is to hear that
        status = cross_line_send(member->line, fields, message, NULL);
    if (status == STATUS_RESOURCE_EXHAUSTED) // too large, or there is no line
        status = rpc_call_send(member->call, fields, message, NULL);
    give_up(member, status);
}

void member_send_shared(struct member *member, const struct rpc_encoded *message)
{
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    if (!member->call)
        return;
    if (member->line)
        status = cross_line_send_shared(member->line, message, NULL);
    if (status == STATUS_RESOURCE_EXHAUSTED)
        status = rpc_call_send_shared(member->call, message, NULL);
    give_up(member, status);
}

void member_dismiss(struct member *member, const char *experiment_id, cohort_v1_Reason reason,
                    const char *message)
{
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    response.which_event = cohort_v1_AttendResponse_dismiss_tag;
    response.event.dismiss.reason = reason;
    snprintf(response.event.dismiss.experiment_id, sizeof response.event.dismiss.experiment_id, "%s",
             experiment_id);
    snprintf(response.event.dismiss.message, sizeof response.event.dismiss.message, "%s", message);
    member_send(member, &response);
}
