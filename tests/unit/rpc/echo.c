#include "echo.h"
#include "base/clock.h"
#include "base/memory.h"
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLOOD_BYTES = 64 << 10 };

static uint8_t model_bytes[RPC_CHUNK_BYTES];

// ---- OfferSummary

static void serve_offer(struct rpc_call *call, void *service, const void *request)
{
    const cohort_v1_OfferSummaryRequest *asked = request;
    if (strcmp(asked->header.learner, "slow") == 0)
        return; // never
    if (strcmp(asked->header.learner, "fail") == 0) {
        struct error error;
        error_set(&error, STATUS_NOT_FOUND, "no learner '%s' hier: 100%% unmöglich", asked->header.learner);
        rpc_call_fail(call, &error);
        return;
    }
    cohort_v1_OfferSummaryResponse response = cohort_v1_OfferSummaryResponse_init_zero;
    response.answer = cohort_v1_OfferSummaryResponse_Answer_ANSWER_SEND;
    response.offset = asked->header.bytes;
    rpc_call_reply(call, cohort_v1_OfferSummaryResponse_fields, &response);
}

// ---- Attend

static void flood(struct rpc_call *call, struct echo *echo)
{
    char *yaml = calloc(1, FLOOD_BYTES);
    memset(yaml, 'y', FLOOD_BYTES - 1);
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    response.which_event = cohort_v1_AttendResponse_enrol_tag;
    response.event.enrol.yaml = yaml;
    enum status status;
    size_t n = 0;
    while ((status = rpc_call_send(call, cohort_v1_AttendResponse_fields, &response, NULL)) == STATUS_OK)
        n++;
    free(yaml);
    atomic_store(&echo->n_flooded, n);
    atomic_store(&echo->flood_status, status);
}

static void serve_leave(struct rpc_call *call, const char *what, struct echo *echo)
{
    if (strcmp(what, "finish") == 0)
        rpc_call_finish(call, STATUS_ABORTED, "as you wish");
    else if (strcmp(what, "cancel") == 0)
        rpc_call_cancel(call);
    else if (strcmp(what, "flood") == 0)
        flood(call, echo);
}

static void attend_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_AttendRequest request;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_AttendRequest_fields, &request, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    if (request.which_event == cohort_v1_AttendRequest_join_tag) {
        cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
        response.which_event = cohort_v1_AttendResponse_welcome_tag;
        response.event.welcome.epoch = request.event.join.incarnation;
        rpc_call_send(call, cohort_v1_AttendResponse_fields, &response, NULL);
    } else if (request.which_event == cohort_v1_AttendRequest_leave_tag) {
        serve_leave(call, request.event.leave.message, user);
    }
    rpc_call_receive(call);
}

static void finish_ok(struct rpc_call *call, void *user)
{
    rpc_call_finish(call, STATUS_OK, NULL);
}

static void count_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct echo *echo = user;
    if (status == STATUS_CANCELLED)
        atomic_fetch_add(&echo->n_cancelled, 1);
    atomic_fetch_add(&echo->n_closed, 1);
}

static void serve_attend(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {
        .message = attend_message, .ended = finish_ok, .closed = count_closed};
    atomic_fetch_add(&((struct echo *)service)->n_open, 1);
    rpc_call_set_events(call, &events, service);
    rpc_call_receive(call);
}

// ---- SubmitSummary

struct upload {
    struct echo *echo;
    uint64_t bytes, sum;
};

static bool add_up(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct upload *upload = user;
    if (offset != upload->bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        upload->sum += run[i];
    upload->bytes += bytes;
    return true;
}

static void submit_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_SubmitSummaryRequest request;
    struct rpc_chunk chunk;
    struct error error = ERROR_INIT;
    if (rpc_message_decode_chunk(message, cohort_v1_SubmitSummaryRequest_fields, &request, &chunk, add_up,
                                 user, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    rpc_call_receive(call);
}

static void submit_ended(struct rpc_call *call, void *user)
{
    struct upload *upload = user;
    cohort_v1_SubmitSummaryResponse response = cohort_v1_SubmitSummaryResponse_init_zero;
    response.accepted = true;
    snprintf(response.message, sizeof response.message, "%llu %llu", (unsigned long long)upload->bytes,
             (unsigned long long)upload->sum);
    rpc_call_reply(call, cohort_v1_SubmitSummaryResponse_fields, &response);
}

static void submit_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct upload *upload = user;
    count_closed(call, status, message, upload->echo);
    memory_free(upload);
}

static void serve_submit(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {
        .message = submit_message, .ended = submit_ended, .closed = submit_closed};
    struct upload *upload = memory_zalloc(sizeof *upload);
    upload->echo = service;
    atomic_fetch_add(&upload->echo->n_open, 1);
    rpc_call_set_events(call, &events, upload);
    rpc_call_receive(call);
}

// ---- FetchModel

struct download {
    struct echo *echo;
    uint64_t offset, chunks_left;
    bool finished;
};

static void count_release(void *user)
{
    atomic_fetch_add(&((struct echo *)user)->n_released, 1);
}

static void fetch_writable(struct rpc_call *call, void *user)
{
    struct download *download = user;
    if (download->chunks_left == 0) {
        rpc_call_finish(call, STATUS_OK, NULL);
        return;
    }
    uint64_t offset = download->offset;
    download->chunks_left--;
    download->offset += RPC_CHUNK_BYTES;
    rpc_call_send_chunk(call, offset, model_bytes, RPC_CHUNK_BYTES, count_release, download->echo, NULL);
}

static void fetch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct download *download = user;
    cohort_v1_FetchModelRequest request;
    struct error error = ERROR_INIT;
    if (rpc_message_decode(message, cohort_v1_FetchModelRequest_fields, &request, &error) != STATUS_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    download->offset = request.offset;
    download->chunks_left = request.model_round;
    fetch_writable(call, user);
}

static void fetch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct download *download = user;
    count_closed(call, status, message, download->echo);
    memory_free(download);
}

static void serve_fetch(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {
        .message = fetch_message, .writable = fetch_writable, .closed = fetch_closed};
    struct download *download = memory_zalloc(sizeof *download);
    download->echo = service;
    atomic_fetch_add(&download->echo->n_open, 1);
    rpc_call_set_events(call, &events, download);
    rpc_call_receive(call);
}

// ---- start and stop

static const struct rpc_method methods[] = {
    {.path = PATH_OFFER,
     .request_fields = cohort_v1_OfferSummaryRequest_fields,
     .request_bytes = sizeof(cohort_v1_OfferSummaryRequest),
     .unary = serve_offer},
    {.path = PATH_ATTEND, .open = serve_attend},
    {.path = PATH_SUBMIT, .open = serve_submit},
    {.path = PATH_FETCH, .open = serve_fetch},
    {0},
};

static void must(enum status status, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s: %s\n", status_name(status), error->message);
    exit(1);
}

void echo_serve(struct echo *echo, const char *address)
{
    struct error error = ERROR_INIT;
    struct rpc_service service = {.name = "cohort.v1.Exchange", .methods = methods, .self = echo};
    struct rpc_server_options options = {.services = &service, .n_services = 1};
    int port = 0;
    for (size_t i = 0; i < sizeof model_bytes; i++)
        model_bytes[i] = (uint8_t)(i * 7);
    must(rpc_server_new(&echo->server, echo->runtime, &options, &error), &error);
    must(rpc_server_listen(echo->server, address ? address : "127.0.0.1:0", &port, &error), &error);
    must(rpc_server_start(echo->server, &error), &error);
    if (address)
        snprintf(echo->address, sizeof echo->address, "%s", address);
    else
        snprintf(echo->address, sizeof echo->address, "127.0.0.1:%d", port);
}

void echo_start(struct echo *echo, const char *address, size_t n_threads)
{
    struct error error = ERROR_INIT;
    memset(echo, 0, sizeof *echo);
    must(rpc_runtime_new(&echo->runtime, n_threads, &error), &error);
    echo_serve(echo, address);
    must(rpc_channel_new(&echo->channel, echo->runtime, echo->address, &error), &error);
}

void echo_stop(struct echo *echo)
{
    echo->channel = rpc_channel_free(echo->channel);
    echo->server = rpc_server_free(echo->server, 1000);
    echo->runtime = rpc_runtime_free(echo->runtime);
}

// ---- the client's side

void watch_init(struct watch *watch)
{
    memset(watch, 0, sizeof *watch);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
}

static void watch_count(struct watch *watch, size_t *counter)
{
    pthread_mutex_lock(&watch->lock);
    ++*counter;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

bool watch_wait(struct watch *watch, const size_t *counter, size_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    int late = 0;
    pthread_mutex_lock(&watch->lock);
    while (*counter < n && !late)
        late = pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
    bool reached = *counter >= n;
    pthread_mutex_unlock(&watch->lock);
    return reached;
}

bool wait_for_count(atomic_size_t *counter, size_t n)
{
    int64_t until = clock_monotonic_ms() + 20000;
    while (atomic_load(counter) < n && clock_monotonic_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return atomic_load(counter) >= n;
}

static void got_attend(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watch *watch = user;
    cohort_v1_AttendResponse response;
    if (rpc_message_decode(message, cohort_v1_AttendResponse_fields, &response, NULL) == STATUS_OK) {
        if (response.which_event == cohort_v1_AttendResponse_welcome_tag)
            watch->epoch = response.event.welcome.epoch;
        pb_release(cohort_v1_AttendResponse_fields, &response);
    }
    watch_count(watch, &watch->n_messages);
    if (!watch->silent)
        rpc_call_receive(call);
}

static bool check_bytes(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct watch *watch = user;
    for (size_t i = 0; i < bytes; i++)
        watch->wrong |= run[i] != model_bytes[(offset + i) % RPC_CHUNK_BYTES];
    watch->n_bytes += bytes;
    return true;
}

static void got_fetch(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watch *watch = user;
    cohort_v1_FetchModelResponse response;
    struct rpc_chunk chunk;
    if (rpc_message_decode_chunk(message, cohort_v1_FetchModelResponse_fields, &response, &chunk, check_bytes,
                                 watch, NULL) != STATUS_OK)
        watch->wrong = true;
    else
        pb_release(cohort_v1_FetchModelResponse_fields, &response);
    watch_count(watch, &watch->n_messages);
    if (!watch->silent)
        rpc_call_receive(call);
}

static void got_submit(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watch *watch = user;
    cohort_v1_SubmitSummaryResponse response;
    if (rpc_message_decode(message, cohort_v1_SubmitSummaryResponse_fields, &response, NULL) == STATUS_OK)
        snprintf(watch->message, sizeof watch->message, "%s", response.message);
    watch_count(watch, &watch->n_messages);
}

static void got_end(struct rpc_call *call, void *user)
{
    struct watch *watch = user;
    watch_count(watch, &watch->n_ended);
}

static void got_writable(struct rpc_call *call, void *user)
{
    struct watch *watch = user;
    watch_count(watch, &watch->n_writable);
}

static void got_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct watch *watch = user;
    watch->status = status;
    if (*message)
        snprintf(watch->message, sizeof watch->message, "%s", message);
    watch_count(watch, &watch->n_closed);
}

const struct rpc_events watch_attend = {.message = got_attend,
                                        .ended = got_end,
                                        .writable = got_writable,
                                        .closed = got_closed};
const struct rpc_events watch_fetch = {.message = got_fetch,
                                       .ended = got_end,
                                       .writable = got_writable,
                                       .closed = got_closed};
const struct rpc_events watch_submit = {.message = got_submit,
                                        .ended = got_end,
                                        .writable = got_writable,
                                        .closed = got_closed};

void send_join(struct rpc_call *call, uint64_t incarnation)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_join_tag;
    request.event.join.incarnation = incarnation;
    rpc_call_send(call, cohort_v1_AttendRequest_fields, &request, NULL);
}

enum status send_leave(struct rpc_call *call, const char *message)
{
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_leave_tag;
    snprintf(request.event.leave.message, sizeof request.event.leave.message, "%s", message);
    return rpc_call_send(call, cohort_v1_AttendRequest_fields, &request, NULL);
}

enum status offer(struct rpc_channel *channel, const char *learner, uint64_t bytes, int64_t timeout_ms,
                  uint64_t *ret_offset, struct error *error)
{
    cohort_v1_OfferSummaryRequest request = cohort_v1_OfferSummaryRequest_init_zero;
    cohort_v1_OfferSummaryResponse response = cohort_v1_OfferSummaryResponse_init_zero;
    request.has_header = true;
    request.header.bytes = bytes;
    snprintf(request.header.learner, sizeof request.header.learner, "%s", learner);
    TRY(rpc_unary(channel, PATH_OFFER, timeout_ms, cohort_v1_OfferSummaryRequest_fields, &request,
                  cohort_v1_OfferSummaryResponse_fields, &response, error));
    *ret_offset = response.offset;
    return STATUS_OK;
}
