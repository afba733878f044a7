// Control streams through a relay: for each one from downstream one upstream, in the learner's own name. What
// either side says is passed on; the relay only looks on to know who is in which experiment and round.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/relay_impl.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

// ---- what is known of a learner -------------------------------------------------------------------------

// Its assignment is over, without a summary of it unless that is in a batch already.
static void forget_assignment(struct relayed *learner)
{
    learner->round = learner->attempt = 0;
    learner->added_to = NULL;
    if (learner->job)
        batch_consider(learner->job, clock_monotonic_ms());
}

static void leave_job(struct relayed *learner)
{
    struct relay_job *job = learner->job;
    if (!job)
        return;
    forget_assignment(learner);
    learner->job = NULL;
    learner->n_samples = 0;
    relay_job_close(job);
}

static void enrolled(struct relayed *learner, const cohort_v1_Enrol *enrol)
{
    struct error error = ERROR_INIT;
    leave_job(learner);
    if (enrol->yaml && relay_job_open(learner->relay, enrol, &learner->job, &error) != STATUS_OK)
        log_warn("cannot read the experiment: its summaries go one by one",
                 LOG_S("experiment", enrol->experiment_id), LOG_S("error", error.message));
}

static void begin_round(struct relay_job *job, const cohort_v1_Assignment *assignment)
{
    if (job->open)
        batch_drop(job->open, "the round is collected anew or is over; wait for the next assignment");
    job->round = assignment->round;
    job->attempt = assignment->attempt;
    job->weight_unit = assignment->weight_unit;
    job->n_values = assignment->summary_values;
    snprintf(job->model_id, sizeof job->model_id, "%s", assignment->model_id);
    job->due_ms = INT64_MAX;
}

static void set_due(struct relay_job *job, int64_t left_ms)
{
    if (left_ms <= 0)
        return;
    int64_t before_ms = left_ms / 4 < RELAY_BEFORE_MOST_MS ? left_ms / 4 : RELAY_BEFORE_MOST_MS;
    int64_t due_ms = clock_monotonic_ms() + left_ms - before_ms;
    if (due_ms < job->due_ms)
        job->due_ms = due_ms;
}

static void assigned(struct relayed *learner, const cohort_v1_Assignment *assignment)
{
    struct relay_job *job = learner->job;
    if (!job || strcmp(job->id, assignment->experiment_id) != 0)
        return;
    if (job->round != assignment->round || job->attempt != assignment->attempt ||
        strcmp(job->model_id, assignment->model_id) != 0 || job->weight_unit != assignment->weight_unit ||
        job->n_values != assignment->summary_values)
        begin_round(job, assignment);
    job->assigned_ms = clock_monotonic_ms();
    job->model_round = assignment->model_round;
    set_due(job, assignment->deadline_ms);
    learner->round = assignment->round;
    learner->attempt = assignment->attempt;
    learner->added_to = batch_of(job, learner->name);
}

// A round that goes on without a learner whose summary is added already: the sum is of no use.
static void withdrawn(struct relayed *learner, const cohort_v1_Withdraw *withdraw)
{
    struct relay_job *job = learner->job;
    if (!job || strcmp(job->id, withdraw->experiment_id) != 0 || learner->round != withdraw->round)
        return;
    if (job->open && job->open->round == withdraw->round && partial_find(&job->open->members, learner->name))
        batch_drop(job->open, "the round goes on without a learner of this relay");
    forget_assignment(learner);
}

static void dismissed(struct relayed *learner, const cohort_v1_Dismiss *dismiss)
{
    if (!*dismiss->experiment_id || (learner->job && strcmp(learner->job->id, dismiss->experiment_id) == 0))
        leave_job(learner);
}

static void overhear(struct relayed *learner, const cohort_v1_AttendResponse *message)
{
    switch (message->which_event) {
    case cohort_v1_AttendResponse_enrol_tag:
        enrolled(learner, &message->event.enrol);
        break;
    case cohort_v1_AttendResponse_assignment_tag:
        assigned(learner, &message->event.assignment);
        break;
    case cohort_v1_AttendResponse_withdraw_tag:
        withdrawn(learner, &message->event.withdraw);
        break;
    case cohort_v1_AttendResponse_dismiss_tag:
        dismissed(learner, &message->event.dismiss);
        break;
    default:
        break;
    }
}

// ---- the stream upstream --------------------------------------------------------------------------------

// Both streams are over: nothing points to it any more.
static void free_when_over(struct relayed *learner)
{
    if (learner->down || learner->up)
        return;
    struct relayed **link = &learner->relay->learners;
    while (*link != learner)
        link = &(*link)->next;
    *link = learner->next;
    memory_free(learner);
}

static void up_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct relayed *learner = user;
    struct relay *relay = learner->relay;
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_AttendResponse_fields, &response, &error) != STATUS_OK) {
        log_warn("the coordinator sent something unreadable", LOG_S("error", error.message));
        rpc_call_cancel(call);
        return;
    }
    if (response.which_event == cohort_v1_AttendResponse_assignment_tag)
        response.event.assignment.summary_bytes = 0; // they come to the relay, which adds them up
    pthread_mutex_lock(&relay->lock);
    overhear(learner, &response);
    if (learner->down &&
        rpc_call_send(learner->down, cohort_v1_AttendResponse_fields, &response, NULL) != STATUS_OK)
        rpc_call_cancel(learner->down);
    pthread_mutex_unlock(&relay->lock);
    pb_release(cohort_v1_AttendResponse_fields, &response);
    rpc_call_receive(call);
}

static void up_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct relayed *learner = user;
    struct relay *relay = learner->relay;
    pthread_mutex_lock(&relay->lock);
    leave_job(learner);
    learner->joined = false;
    if (learner->down)
        rpc_call_finish(learner->down, status, message);
    learner->up = rpc_call_unref(learner->up);
    free_when_over(learner);
    relay_call_over(relay);
    pthread_mutex_unlock(&relay->lock);
}

static const struct rpc_events up_events = {.message = up_message, .closed = up_closed};

// ---- the stream from downstream -------------------------------------------------------------------------

static void join(struct relayed *learner, struct rpc_call *call, const cohort_v1_AttendRequest *request)
{
    const cohort_v1_Join *join = &request->event.join;
    struct error error = ERROR_INIT;
    if (learner->joined || learner->up)
        return;
    enum status status = rpc_call_speaks_for(call, join->learner, &error);
    if (status == STATUS_OK)
        status = relay_call(learner->relay, &learner->up, "/cohort.v1.Exchange/Attend", &up_events, learner,
                            &error);
    if (status != STATUS_OK) {
        rpc_call_finish(call, status, error.message);
        return;
    }
    lease_end(&learner->lease); // the coordinator watches over it from here on
    learner->joined = true;
    learner->incarnation = join->incarnation;
    snprintf(learner->name, sizeof learner->name, "%s", join->learner);
    rpc_call_receive(learner->up);
}

static void overhear_learner(struct relayed *learner, struct rpc_call *call,
                             const cohort_v1_AttendRequest *request)
{
    const cohort_v1_Ready *ready = &request->event.ready;
    const cohort_v1_Decline *decline = &request->event.decline;
    struct relay_job *job = learner->job;
    if (request->which_event == cohort_v1_AttendRequest_join_tag)
        join(learner, call, request);
    else if (request->which_event == cohort_v1_AttendRequest_ready_tag && job &&
             strcmp(job->id, ready->experiment_id) == 0)
        learner->n_samples = ready->data.n_samples;
    else if (request->which_event == cohort_v1_AttendRequest_decline_tag && job &&
             strcmp(job->id, decline->experiment_id) == 0 && decline->round == learner->round)
        forget_assignment(learner);
}

static void down_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct relayed *learner = user;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_AttendRequest_fields, &request, &error) != STATUS_OK) {
        rpc_call_finish(call, error.status, error.message);
        return;
    }
    if (request.which_event == cohort_v1_AttendRequest_join_tag) {
        request.event.join.model_bytes = 0;    // the relay fetches models once for all
        request.event.join.has_memory = false; // and it is the relay that they send summaries to
    }
    pthread_mutex_lock(&learner->relay->lock);
    overhear_learner(learner, call, &request);
    if (learner->up &&
        rpc_call_send(learner->up, cohort_v1_AttendRequest_fields, &request, NULL) != STATUS_OK)
        rpc_call_cancel(learner->up);
    pthread_mutex_unlock(&learner->relay->lock);
    pb_release(cohort_v1_AttendRequest_fields, &request);
    rpc_call_receive(call);
}

static void down_ended(struct rpc_call *call, void *user)
{
    struct relayed *learner = user;
    pthread_mutex_lock(&learner->relay->lock);
    if (learner->up)
        rpc_call_end(learner->up); // its end ends this one
    else
        rpc_call_finish(call, STATUS_OK, "");
    pthread_mutex_unlock(&learner->relay->lock);
}

static void down_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct relayed *learner = user;
    struct relay *relay = learner->relay;
    pthread_mutex_lock(&relay->lock);
    lease_end(&learner->lease);
    if (learner->up)
        rpc_call_cancel(learner->up);
    learner->down = rpc_call_unref(learner->down);
    free_when_over(learner);
    pthread_mutex_unlock(&relay->lock);
}

static const struct rpc_events down_events = {
    .message = down_message,
    .ended = down_ended,
    .closed = down_closed,
};

void relay_attend(struct rpc_call *call, void *service)
{
    struct relay *relay = service;
    struct relayed *learner = memory_zalloc(sizeof *learner);
    if (!learner) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    learner->relay = relay;
    pthread_mutex_lock(&relay->lock);
    learner->down = rpc_call_ref(call);
    learner->next = relay->learners;
    relay->learners = learner;
    lease_begin(&relay->leases, &learner->lease, call);
    pthread_mutex_unlock(&relay->lock);
    rpc_call_set_events(call, &down_events, learner);
    rpc_call_receive(call);
}
