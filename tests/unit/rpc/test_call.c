#include "echo.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct echo echo;

static void start(void)
{
    echo_start(&echo, NULL, 2);
}

static void stop(void)
{
    echo_stop(&echo);
}

TestSuite(call, .init = start, .fini = stop, .timeout = 60);

static void begin(struct watch *watch, const char *path, const struct rpc_events *events)
{
    struct error error = ERROR_INIT;
    watch_init(watch);
    cr_assert_eq(rpc_call_start(&watch->call, echo.channel, path, 0, true, events, watch, &error), STATUS_OK,
                 "%s", error.message);
}

Test(call, a_unary_call_is_answered)
{
    struct error error = ERROR_INIT;
    uint64_t offset = 0;
    cr_assert_eq(offer(echo.channel, "a", 12345678901234, 5000, &offset, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(offset, 12345678901234);
}

Test(call, a_refusal_arrives_with_its_words)
{
    struct error error = ERROR_INIT;
    uint64_t offset = 77;
    cr_assert_eq(offer(echo.channel, "fail", 1, 5000, &offset, &error), STATUS_NOT_FOUND);
    cr_assert_str_eq(error.message, "no learner 'fail' hier: 100% unmöglich");
    cr_assert_eq(offset, 77);
}

Test(call, a_deadline_ends_a_call_that_is_not_answered)
{
    struct error error = ERROR_INIT;
    uint64_t offset;
    cr_assert_eq(offer(echo.channel, "slow", 1, 100, &offset, &error), STATUS_DEADLINE_EXCEEDED);
    cr_assert(strstr(error.message, "within 100 ms"), "%s", error.message);
}

Test(call, a_method_that_is_not_there_is_unimplemented)
{
    struct error error = ERROR_INIT;
    cohort_v1_OfferSummaryRequest request = cohort_v1_OfferSummaryRequest_init_zero;
    cohort_v1_OfferSummaryResponse response;
    cr_assert_eq(rpc_unary(echo.channel, "/cohort.v1.Exchange/Nonsense", 5000,
                           cohort_v1_OfferSummaryRequest_fields, &request,
                           cohort_v1_OfferSummaryResponse_fields, &response, &error),
                 STATUS_UNIMPLEMENTED);
    cr_assert(strstr(error.message, "Nonsense"), "%s", error.message);
}

Test(call, bytes_that_are_no_request_are_an_invalid_argument)
{
    struct error error = ERROR_INIT;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero; // a Leave is no SummaryHeader
    cohort_v1_OfferSummaryResponse response;
    request.which_event = cohort_v1_AttendRequest_join_tag;
    strcpy(request.event.join.learner, "\xff\xff\xff\xff");
    request.event.join.incarnation = 1;
    request.event.join.protocol_version = 1;
    strcpy(request.event.join.address, "x");
    cr_assert_eq(rpc_unary(echo.channel, PATH_OFFER, 5000, cohort_v1_AttendRequest_fields, &request,
                           cohort_v1_OfferSummaryResponse_fields, &response, &error),
                 STATUS_INVALID_ARGUMENT);
}

Test(call, both_sides_of_a_stream_talk_and_end)
{
    struct watch watch;
    begin(&watch, PATH_ATTEND, &watch_attend);
    rpc_call_receive(watch.call);
    for (size_t i = 1; i <= 100; i++) {
        send_join(watch.call, i);
        cr_assert(watch_wait(&watch, &watch.n_messages, i));
        cr_assert_eq(watch.epoch, i);
    }
    cr_assert_eq(strncmp(rpc_call_peer(watch.call), "ipv4:127.0.0.1:", 15), 0, "%s",
                 rpc_call_peer(watch.call));
    rpc_call_end(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_OK, "%s", watch.message);
    cr_assert_geq(watch.n_writable, 1);
    cr_assert(wait_for_count(&echo.n_closed, 1));
    cr_assert_eq(echo.n_cancelled, 0);
    rpc_call_unref(watch.call);
}

Test(call, sending_after_the_end_is_refused)
{
    struct watch watch;
    begin(&watch, PATH_ATTEND, &watch_attend);
    rpc_call_receive(watch.call);
    cr_assert_eq(send_leave(watch.call, "finish"), STATUS_OK);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_ABORTED);
    cr_assert_str_eq(watch.message, "as you wish");
    cr_assert_eq(send_leave(watch.call, "late"), STATUS_CANCELLED);
    rpc_call_receive(watch.call);
    rpc_call_cancel(watch.call);
    rpc_call_end(watch.call);
    rpc_call_unref(watch.call);
}

static void release_one(void *user)
{
    atomic_fetch_add((atomic_size_t *)user, 1);
}

Test(call, an_upload_of_64_MiB_arrives_uncopied_and_whole)
{
    enum { N = 64 };
    uint8_t *data = malloc((size_t)N * RPC_CHUNK_BYTES);
    uint64_t sum = 0;
    for (size_t i = 0; i < (size_t)N * RPC_CHUNK_BYTES; i++)
        sum += data[i] = (uint8_t)(i * 31 >> 3);
    atomic_size_t released = 0;
    struct watch watch;
    begin(&watch, PATH_SUBMIT, &watch_submit);
    rpc_call_receive(watch.call);
    for (size_t i = 0; i < N; i++) {
        struct error error = ERROR_INIT;
        uint64_t offset = i * RPC_CHUNK_BYTES;
        cr_assert_eq(rpc_call_send_chunk(watch.call, offset, data + offset, RPC_CHUNK_BYTES, release_one,
                                         &released, &error),
                     STATUS_OK, "%s", error.message);
        cr_assert(watch_wait(&watch, &watch.n_writable, i + 1));
    }
    rpc_call_end(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    char expected[64];
    snprintf(expected, sizeof expected, "%llu %llu", 64ull << 20, (unsigned long long)sum);
    cr_assert_str_eq(watch.message, expected);
    cr_assert(wait_for_count(&released, N));
    cr_assert_eq(released, N);
    rpc_call_unref(watch.call);
    free(data);
}

Test(call, a_second_chunk_waits_for_writable)
{
    static const uint8_t data[RPC_CHUNK_BYTES];
    atomic_size_t released = 0;
    struct watch watch;
    begin(&watch, PATH_ATTEND, &watch_attend);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < 100 && status == STATUS_OK; i++)
        status = rpc_call_send_chunk(watch.call, 0, data, sizeof data, release_one, &released, NULL);
    cr_assert_eq(status, STATUS_FAILED_PRECONDITION);
    cr_assert_geq(released, 1);
    rpc_call_cancel(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    rpc_call_unref(watch.call);
}

static void begin_fetch(struct watch *watch, uint32_t n_chunks, uint64_t offset)
{
    begin(watch, PATH_FETCH, &watch_fetch);
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    request.model_round = n_chunks;
    request.offset = offset;
    cr_assert_eq(rpc_call_send(watch->call, cohort_v1_FetchModelRequest_fields, &request, NULL), STATUS_OK);
    rpc_call_end(watch->call);
    rpc_call_receive(watch->call);
}

Test(call, a_download_arrives_whole)
{
    struct watch watch;
    begin_fetch(&watch, 32, 3ull << 20);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_OK, "%s", watch.message);
    cr_assert_eq(watch.n_bytes, 32ull << 20);
    cr_assert_not(watch.wrong);
    cr_assert(wait_for_count(&echo.n_released, 32));
    rpc_call_unref(watch.call);
}

Test(call, the_client_cancels_a_download_and_every_chunk_is_released)
{
    struct watch watch;
    begin_fetch(&watch, 1000, 0);
    cr_assert(watch_wait(&watch, &watch.n_messages, 3));
    rpc_call_cancel(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_CANCELLED);
    cr_assert(wait_for_count(&echo.n_closed, 1));
    cr_assert_eq(echo.n_cancelled, 1);
    rpc_call_unref(watch.call);
    echo_stop(&echo);
    cr_assert_lt(watch.n_bytes, 1000ull << 20);
    cr_assert_geq(echo.n_released, watch.n_bytes >> 20);
}

Test(call, the_server_cancels_a_stream)
{
    struct watch watch;
    begin(&watch, PATH_ATTEND, &watch_attend);
    rpc_call_receive(watch.call);
    send_leave(watch.call, "cancel");
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_CANCELLED, "%s", watch.message);
    cr_assert(wait_for_count(&echo.n_cancelled, 1));
    rpc_call_unref(watch.call);
}
