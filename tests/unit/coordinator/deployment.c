#include "deployment.h"
#include "base/clock.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct coordinator_options deployment_options(void)
{
    return (struct coordinator_options){.lease_ms = 60000,
                                        .max_learners = 20,
                                        .max_experiments = 3,
                                        .max_model_bytes = 1 << 20,
                                        .buffer_bytes = 1 << 20};
}

void deployment_start(struct deployment *deployment)
{
    struct error error = ERROR_INIT;
    int port = 0;
    cr_assert_eq(coordinator_new(&deployment->coordinator, &deployment->options, &error), STATUS_OK);
    cr_assert_eq(rpc_runtime_new(&deployment->runtime, 2, &error), STATUS_OK);
    const struct rpc_service services[] = {coordinator_service(deployment->coordinator),
                                           exchange_service(deployment->coordinator)};
    const struct rpc_server_options options = {.services = services, .n_services = 2};
    cr_assert_eq(rpc_server_new(&deployment->server, deployment->runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(deployment->server, "127.0.0.1:0", &port, &error), STATUS_OK);
    cr_assert_eq(rpc_server_start(deployment->server, &error), STATUS_OK);
    snprintf(deployment->address, sizeof deployment->address, "127.0.0.1:%d", port);
    cr_assert_eq(rpc_channel_new(&deployment->channel, deployment->runtime, deployment->address, &error),
                 STATUS_OK);
}

void deployment_stop(struct deployment *deployment)
{
    rpc_channel_free(deployment->channel);
    rpc_server_free(deployment->server, 0);
    coordinator_free(deployment->coordinator);
    rpc_runtime_free(deployment->runtime);
}

void deployment_create_with(struct deployment *deployment, unsigned int learners, unsigned int rounds,
                            const char *more)
{
    char yaml[512];
    struct error error = ERROR_INIT;
    snprintf(yaml, sizeof yaml,
             "name: test\nmodel: {layers: [dense: {units: 3}], loss: cross_entropy}\n"
             "training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4}\n"
             "collaboration: {algorithm: fedavg, learners: %u, rounds: %u%s}\n",
             learners, rounds, more);
    cohort_v1_CreateExperimentRequest request = cohort_v1_CreateExperimentRequest_init_zero;
    cohort_v1_CreateExperimentResponse response = cohort_v1_CreateExperimentResponse_init_zero;
    request.yaml = yaml;
    enum status status = rpc_unary(deployment->channel, "/cohort.v1.Coordinator/CreateExperiment", 20000,
                                   cohort_v1_CreateExperimentRequest_fields, &request,
                                   cohort_v1_CreateExperimentResponse_fields, &response, &error);
    cr_assert_eq(status, STATUS_OK, "%s", error.message);
    pb_release(cohort_v1_CreateExperimentResponse_fields, &response);
}

void deployment_create(struct deployment *deployment, unsigned int learners, unsigned int rounds)
{
    deployment_create_with(deployment, learners, rounds, "");
}

struct job *deployment_job(struct deployment *deployment)
{
    pthread_mutex_lock(&deployment->coordinator->lock);
    struct job *job = deployment->coordinator->jobs;
    pthread_mutex_unlock(&deployment->coordinator->lock);
    return job;
}

enum round_phase deployment_phase(struct deployment *deployment)
{
    pthread_mutex_lock(&deployment->coordinator->lock);
    enum round_phase phase = round_phase(deployment->coordinator->jobs->round);
    pthread_mutex_unlock(&deployment->coordinator->lock);
    return phase;
}

// ---- calls ----------------------------------------------------------------------------------------------

static void got_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct peer *peer = user;
    pthread_mutex_lock(&peer->lock);
    if (peer->fields == cohort_v1_AttendResponse_fields && peer->n_messages < PEER_MESSAGES_MAX)
        rpc_message_decode(message, peer->fields, &peer->attend[peer->n_messages], NULL);
    else if (peer->fields == cohort_v1_SubmitSummaryResponse_fields)
        rpc_message_decode(message, peer->fields, &peer->submit, NULL);
    peer->n_messages++;
    pthread_cond_broadcast(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
    rpc_call_receive(call);
}

static void closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct peer *peer = user;
    pthread_mutex_lock(&peer->lock);
    peer->closed = true;
    peer->status = status;
    pthread_cond_broadcast(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
}

static const struct rpc_events events = {.message = got_message, .closed = closed};

static void open_call(struct deployment *deployment, struct peer *peer, const char *path,
                      const pb_msgdesc_t *fields)
{
    struct error error = ERROR_INIT;
    memset(peer, 0, sizeof *peer);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->changed, NULL);
    peer->fields = fields;
    cr_assert_eq(rpc_call_start(&peer->call, deployment->channel, path, 0, true, &events, peer, &error),
                 STATUS_OK, "%s", error.message);
    rpc_call_receive(peer->call);
}

// With the lock held: waits for a change, false when the time is over.
static bool wait_change(struct peer *peer, int64_t until_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 20000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&peer->changed, &peer->lock, &at);
    return clock_monotonic_ms() < until_ms;
}

const cohort_v1_AttendResponse *peer_expect(struct peer *peer, pb_size_t which)
{
    const cohort_v1_AttendResponse *found = NULL;
    int64_t until_ms = clock_monotonic_ms() + 20000;
    pthread_mutex_lock(&peer->lock);
    do {
        while (!found && peer->n_taken < peer->n_messages) {
            const cohort_v1_AttendResponse *message = &peer->attend[peer->n_taken++];
            found = message->which_event == which ? message : NULL;
        }
    } while (!found && wait_change(peer, until_ms));
    pthread_mutex_unlock(&peer->lock);
    cr_assert_not_null(found, "no message of kind %u came", which);
    return found;
}

bool peer_wait_closed(struct peer *peer, int ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    pthread_mutex_lock(&peer->lock);
    while (!peer->closed && wait_change(peer, until_ms))
        ;
    bool is_closed = peer->closed;
    pthread_mutex_unlock(&peer->lock);
    return is_closed;
}

void peer_close(struct peer *peer)
{
    rpc_call_cancel(peer->call);
    cr_assert(peer_wait_closed(peer, 20000));
}

void peer_release(struct peer *peer)
{
    if (!peer->closed)
        peer_close(peer);
    rpc_call_unref(peer->call);
    for (size_t i = 0; i < peer->n_messages && i < PEER_MESSAGES_MAX; i++)
        pb_release(cohort_v1_AttendResponse_fields, &peer->attend[i]);
}

static void say(struct peer *peer, const cohort_v1_AttendRequest *request)
{
    cr_assert_eq(rpc_call_send(peer->call, cohort_v1_AttendRequest_fields, request, NULL), STATUS_OK);
}

void peer_join_with(struct deployment *deployment, struct peer *peer, const char *name, uint64_t incarnation,
                    const cohort_v1_CrossMemory *memory)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_join_tag};
    open_call(deployment, peer, "/cohort.v1.Exchange/Attend", cohort_v1_AttendResponse_fields);
    snprintf(request.event.join.learner, sizeof request.event.join.learner, "%s", name);
    request.event.join.incarnation = incarnation;
    request.event.join.protocol_version = PROTOCOL_VERSION;
    request.event.join.model_bytes = SMALL_BYTES_MAX;
    request.event.join.has_memory = memory != NULL;
    request.event.join.line = memory != NULL;
    if (memory)
        request.event.join.memory = *memory;
    say(peer, &request);
}

void peer_join(struct deployment *deployment, struct peer *peer, const char *name, uint64_t incarnation)
{
    peer_join_with(deployment, peer, name, incarnation, NULL);
}

void peer_fill_ready(cohort_v1_Ready *ready, const char *experiment, uint64_t n_samples)
{
    snprintf(ready->experiment_id, sizeof ready->experiment_id, "%s", experiment);
    ready->has_data = true;
    ready->data.n_samples = n_samples;
    ready->data.n_outputs = 3;
    ready->data.sample_shape_count = 1;
    ready->data.sample_shape[0] = 4;
}

static void tell_ready(struct peer *peer, const char *experiment, uint64_t n_samples, bool anew)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_ready_tag};
    peer_fill_ready(&request.event.ready, experiment, n_samples);
    request.event.ready.anew = anew;
    say(peer, &request);
}

void peer_ready(struct peer *peer, const char *experiment, uint64_t n_samples)
{
    tell_ready(peer, experiment, n_samples, false);
}

void peer_ready_anew(struct peer *peer, const char *experiment, uint64_t n_samples)
{
    tell_ready(peer, experiment, n_samples, true);
}

void peer_heartbeat(struct peer *peer)
{
    const cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_heartbeat_tag};
    say(peer, &request);
}

void peer_fill_header(cohort_v1_SummaryHeader *header, const char *name, uint64_t incarnation, uint32_t round,
                      uint32_t attempt)
{
    snprintf(header->experiment_id, sizeof header->experiment_id, "test");
    snprintf(header->learner, sizeof header->learner, "%s", name);
    snprintf(header->codec, sizeof header->codec, "f32");
    header->incarnation = incarnation;
    header->round = round;
    header->attempt = attempt;
    header->n_values = MODEL_VALUES;
    header->bytes = MODEL_VALUES * sizeof(float);
    header->weight = 1;
}

void peer_submit_with(struct deployment *deployment, struct peer *upload, const char *name,
                      uint64_t incarnation, uint32_t round, uint32_t attempt,
                      const cohort_v1_CrossMemory *memory)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    cohort_v1_SummaryHeader *header = &request.header;
    open_call(deployment, upload, "/cohort.v1.Exchange/SubmitSummary",
              cohort_v1_SubmitSummaryResponse_fields);
    request.has_header = true;
    peer_fill_header(header, name, incarnation, round, attempt);
    if (memory) {
        request.memory_token.size = sizeof memory->token;
        memcpy(request.memory_token.bytes, memory->token, sizeof memory->token);
    }
    cr_assert_eq(rpc_call_send(upload->call, cohort_v1_SubmitSummaryRequest_fields, &request, NULL),
                 STATUS_OK);
}

void peer_submit(struct deployment *deployment, struct peer *upload, const char *name, uint64_t incarnation,
                 uint32_t round, uint32_t attempt)
{
    peer_submit_with(deployment, upload, name, incarnation, round, attempt, NULL);
}

static void release_nothing(void *user)
{
}

void peer_send_values(struct peer *upload, const float *values)
{
    rpc_call_send_chunk(upload->call, 0, values, MODEL_VALUES * sizeof(float), release_nothing, NULL, NULL);
    rpc_call_end(upload->call);
}

bool peer_answer(struct peer *upload)
{
    cr_assert(peer_wait_closed(upload, 20000));
    return upload->n_messages == 1 && upload->submit.accepted;
}
