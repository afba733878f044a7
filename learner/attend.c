// A learner's control stream: joining, staying, coming back.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"
#include "learner/host.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

// A small model comes with each assignment where no more than SMALL_LEARNERS would share a fetched one.
enum { RETRY_LEAST_MS = 50, SMALL_LEARNERS = 4, UNREACHED_MS = 5000 };

int64_t learner_backoff_ms(const struct learner *learner, unsigned int n)
{
    int64_t most_ms = learner->host->options->retry_most_ms, ms = RETRY_LEAST_MS;
    while (n-- && ms < most_ms)
        ms *= 2;
    struct random random = random_open((struct random_key){.seed = learner->incarnation ^ (uintptr_t)learner,
                                                           .step = (uint32_t)clock_monotonic_ms(),
                                                           .purpose = RANDOM_JITTER});
    ms = ms < most_ms ? ms : most_ms;
    return ms / 2 + random_below(&random, (uint32_t)(ms / 2 + 1));
}

void learner_send(struct learner *learner, const cohort_v1_AttendRequest *message)
{
    const pb_msgdesc_t *fields = cohort_v1_AttendRequest_fields;
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    if (!learner->call)
        return;
    if (learner->line)
        status = cross_line_send(learner->line, fields, message, NULL);
    if (status == STATUS_RESOURCE_EXHAUSTED) // too large, or there is no line
        status = rpc_call_send(learner->call, fields, message, NULL);
    if (status != STATUS_OK)
        rpc_call_cancel(learner->call);
}

// ---- what the coordinator says --------------------------------------------------------------------------

// Of all learners of the process, whichever is welcomed last; they have one coordinator.
static void meet(struct host *host, const cohort_v1_Welcome *welcome)
{
    struct cross_token token;
    host->is_read = host->cross_door && welcome->has_memory;
    host->reads = cross_memory_unref(host->reads);
    if (!host->is_read)
        return;
    memcpy(&token, welcome->memory.token, sizeof token);
    host->reads = cross_door_meet(host->cross_door, &token, welcome->memory.address);
}

static void line_message(void *user, const uint8_t *bytes, size_t n);

// Takes up the line that the coordinator has asked for; the first word on it tells that.
static void take_line(struct learner *learner, const cohort_v1_Welcome *welcome)
{
    struct host *host = learner->host;
    struct cross_token token;
    if (welcome->line.size != sizeof token || !host->reads || learner->line ||
        (!host->lines && cross_lines_new(&host->lines, 1, NULL) != STATUS_OK))
        return;
    memcpy(&token, welcome->line.bytes, sizeof token);
    int fd = cross_door_line(host->cross_door, host->reads, &token);
    if (fd >= 0 && cross_line_new(&learner->line, host->lines, fd, line_message, learner, NULL) == STATUS_OK)
        learner_heartbeat(learner);
}

static void welcomed(struct learner *learner, const cohort_v1_Welcome *welcome)
{
    meet(learner->host, welcome);
    learner->joined = true;
    learner->n_attempts = 0;
    learner->heartbeat_ms = welcome->heartbeat_ms > 0 ? welcome->heartbeat_ms : 5000;
    learner->heartbeat_at_ms = clock_monotonic_ms() + learner->heartbeat_ms;
    take_line(learner, welcome);
    log_info("joined", LOG_S("learner", learner->name),
             LOG_S("coordinator", learner->host->options->coordinator),
             LOG_S("models", learner->host->reads ? "read from its memory" : "sent"),
             LOG_S("summaries", learner->host->is_read ? "read by it" : "sent"),
             LOG_S("messages", learner->line ? "on a line of this machine" : "on the connection"));
    host_wake_timer(learner->host);
}

static void turned_away(struct learner *learner, const cohort_v1_Dismiss *dismiss)
{
    struct host *host = learner->host;
    learner->stopped = true;
    host->n_stopped++;
    log_error("turned away", LOG_S("learner", learner->name), LOG_S("reason", dismiss->message));
    snprintf(host->message, sizeof host->message, "learner '%s' was turned away: %.400s", learner->name,
             dismiss->message);
}

static void dismissed(struct learner *learner, const cohort_v1_Dismiss *dismiss)
{
    if (!*dismiss->experiment_id) {
        turned_away(learner, dismiss);
        return;
    }
    if (!learner->study || strcmp(learner->study->id, dismiss->experiment_id) != 0)
        return;
    learner_withdraw(learner);
    learner->dismissed = true;
    learner_go_on(learner);
}

static void withdrawn(struct learner *learner, const cohort_v1_Withdraw *withdraw)
{
    if (learner->assigned && learner->assignment.round == withdraw->round &&
        strcmp(learner->assignment.experiment_id, withdraw->experiment_id) == 0)
        learner_withdraw(learner);
}

static void handle(struct learner *learner, const cohort_v1_AttendResponse *message)
{
    switch (message->which_event) {
    case cohort_v1_AttendResponse_welcome_tag:
        welcomed(learner, &message->event.welcome);
        break;
    case cohort_v1_AttendResponse_enrol_tag:
        learner_enrol(learner, &message->event.enrol);
        break;
    case cohort_v1_AttendResponse_assignment_tag:
        learner_assign(learner, &message->event.assignment);
        break;
    case cohort_v1_AttendResponse_evaluate_tag:
        learner_evaluate(learner, &message->event.evaluate);
        break;
    case cohort_v1_AttendResponse_exchange_tag:
        peer_round_exchange(learner, &message->event.exchange);
        break;
    case cohort_v1_AttendResponse_refused_tag:
        learner_small_refused(learner, &message->event.refused);
        break;
    case cohort_v1_AttendResponse_withdraw_tag:
        withdrawn(learner, &message->event.withdraw);
        break;
    case cohort_v1_AttendResponse_dismiss_tag:
        dismissed(learner, &message->event.dismiss);
        break;
    case cohort_v1_AttendResponse_moving_tag: // the connection has heard it
        break;
    default: // of a newer coordinator: ignored
        break;
    }
}

// ---- the stream -----------------------------------------------------------------------------------------

// From either way that messages come; `call` NULL: from the line.
static void heard(struct learner *learner, const struct rpc_call *call, cohort_v1_AttendResponse *response)
{
    struct host *host = learner->host;
    pthread_mutex_lock(&host->lock);
    pool_turn_begin(&host->turn);
    if (!call || learner->call == call)
        handle(learner, response);
    struct pool_job *at_once = pool_turn_end(&host->turn);
    pthread_mutex_unlock(&host->lock);
    if (at_once)
        at_once->run(at_once);
    pb_release(cohort_v1_AttendResponse_fields, response);
}

static void unreadable(struct rpc_call *call, const struct error *error)
{
    log_warn("the coordinator sent something unreadable", LOG_S("error", error->message));
    rpc_call_cancel(call);
}

static void attend_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_AttendResponse_fields, &response, &error) != STATUS_OK) {
        unreadable(call, &error);
        return;
    }
    heard(user, call, &response);
    rpc_call_receive(call);
}

static void line_message(void *user, const uint8_t *bytes, size_t n)
{
    struct learner *learner = user;
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    struct error error = ERROR_INIT;
    if (rpc_bytes_decode(bytes, n, cohort_v1_AttendResponse_fields, &response, &error) != STATUS_OK) {
        pb_release(cohort_v1_AttendResponse_fields, &response);
        pthread_mutex_lock(&learner->host->lock);
        if (learner->call)
            unreadable(learner->call, &error);
        pthread_mutex_unlock(&learner->host->lock);
        return;
    }
    heard(learner, NULL, &response);
}

// What the coordinator has said on the line before the stream ended is still heard: why, perhaps.
static void close_line(struct learner *learner)
{
    pthread_mutex_lock(&learner->host->lock);
    struct cross_line *line = learner->line;
    learner->line = NULL;
    pthread_mutex_unlock(&learner->host->lock);
    cross_line_free(line);
}

static void attend_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct learner *learner = user;
    struct host *host = learner->host;
    close_line(learner);
    pthread_mutex_lock(&host->lock);
    if (learner->joined || learner->n_attempts == 3)
        log_warn(learner->joined ? "connection lost" : "cannot reach the coordinator",
                 LOG_S("learner", learner->name), LOG_S("status", status_name(status)),
                 LOG_S("error", message));
    learner->joined = learner->evaluation_wanted = false; // an evaluation goes on without who is lost
    learner->call = rpc_call_unref(learner->call);
    learner->connect_at_ms = learner->stopped || host->ending
                                 ? INT64_MAX
                                 : clock_monotonic_ms() + learner_backoff_ms(learner, learner->n_attempts++);
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static const struct rpc_events attend_events = {.message = attend_message, .closed = attend_closed};

void learner_connect(struct learner *learner)
{
    struct host *host = learner->host;
    struct error error = ERROR_INIT;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_join_tag;
    cohort_v1_Join *join = &request.event.join;
    snprintf(join->learner, sizeof join->learner, "%s", learner->name);
    join->incarnation = learner->incarnation;
    join->protocol_version = 1;
    join->model_bytes = host->n_learners <= SMALL_LEARNERS ? SMALL_BYTES_MAX : 0;
    join->local = host->options->use_experiment_data;
    join->has_memory = host->cross_door != NULL;
    if (host->cross_door)
        cross_token_tell(cross_door_token(host->cross_door), &join->memory);
    join->line = host->cross_door && host->n_learners < CROWD;
    snprintf(join->version, sizeof join->version, "%s", COHORT_VERSION);
    snprintf(join->address, sizeof join->address, "%s", host->address);
    learner->connect_at_ms = INT64_MAX;
    learner->tell_at_ms = clock_monotonic_ms() + UNREACHED_MS;
    if (rpc_call_start(&learner->call, host->channel, "/cohort.v1.Exchange/Attend", 0, true, &attend_events,
                       learner, &error) != STATUS_OK) {
        log_warn("cannot attend", LOG_S("learner", learner->name), LOG_S("error", error.message));
        learner->connect_at_ms = clock_monotonic_ms() + learner_backoff_ms(learner, learner->n_attempts++);
        return;
    }
    rpc_call_receive(learner->call);
    learner_send(learner, &request);
}

void learner_tell_unreached(struct learner *learner)
{
    learner->tell_at_ms = INT64_MAX;
    log_warn("cannot reach the coordinator", LOG_S("learner", learner->name),
             LOG_S("coordinator", learner->host->options->coordinator),
             LOG_S("error",
                   "no connection yet, and it goes on trying; see that the coordinator runs, that the "
                   "address is its own, and that both or neither use TLS"));
}

void learner_heartbeat(struct learner *learner)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_heartbeat_tag;
    request.event.heartbeat.peak_rss_bytes = memory_peak_rss();
    learner_send(learner, &request);
    learner->heartbeat_at_ms = clock_monotonic_ms() + learner->heartbeat_ms;
}

void learner_farewell(struct learner *learner)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    if (!learner->call)
        return;
    if (!learner->host->options->keep_place) {
        request.which_event = cohort_v1_AttendRequest_leave_tag;
        snprintf(request.event.leave.message, sizeof request.event.leave.message, "stopped");
        learner_send(learner, &request);
    }
    if (learner->call)
        rpc_call_end(learner->call);
}
