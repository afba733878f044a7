#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "echo.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct echo echo;

TestSuite(server, .timeout = 60);

static void begin(struct watch *watch, const char *path, const struct rpc_events *events, bool wait)
{
    struct error error = ERROR_INIT;
    watch_init(watch);
    cr_assert_eq(rpc_call_start(&watch->call, echo.channel, path, 0, wait, events, watch, &error), STATUS_OK,
                 "%s", error.message);
}

static void assert_answers(void)
{
    struct error error = ERROR_INIT;
    uint64_t offset = 0;
    cr_assert_eq(offer(echo.channel, "a", 7, 10000, &offset, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(offset, 7);
}

static void socket_address(char address[128], char folder[64])
{
    strcpy(folder, "/tmp/cohort-rpc-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(address, 128, "unix:%s/socket", folder);
}

Test(server, a_port_in_use_is_refused_with_what_to_do)
{
    echo_start(&echo, NULL, 1);
    struct rpc_server *second = NULL;
    struct error error = ERROR_INIT;
    struct rpc_server_options options = {0};
    cr_assert_eq(rpc_server_new(&second, echo.runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(second, echo.address, NULL, &error), STATUS_ALREADY_EXISTS);
    char expected[256];
    snprintf(expected, sizeof expected, "port %s is in use; choose another or stop what uses it",
             strchr(echo.address, ':') + 1);
    cr_assert_str_eq(error.message, expected);
    rpc_server_free(second, 0);
    echo_stop(&echo);
}

Test(server, malformed_addresses_are_refused)
{
    static const char *const bad[] = {
        "",         "localhost",  "127.0.0.1:", "127.0.0.1:x",    "127.0.0.1:99999",
        "::1:7070", ":7070",      "unix:",      "127.0.0.1:-1",   "127.0.0.1:70 ",
        "[]x:1",    "a:b:c:7070", "1.2.3.4:+5", "256.0.0.1.x:1:2"};
    echo_start(&echo, NULL, 1);
    struct rpc_server *server = NULL;
    struct rpc_channel *channel = NULL;
    struct rpc_server_options options = {0};
    cr_assert_eq(rpc_server_new(&server, echo.runtime, &options, NULL), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_expect_eq(rpc_server_listen(server, bad[i], NULL, NULL), STATUS_INVALID_ARGUMENT, "%s", bad[i]);
        cr_expect_eq(rpc_channel_new(&channel, echo.runtime, bad[i], NULL), STATUS_INVALID_ARGUMENT, "%s",
                     bad[i]);
    }
    struct error error = ERROR_INIT;
    cr_expect_neq(rpc_server_listen(server, "203.0.113.1:7070", NULL, &error), STATUS_OK);
    cr_expect(strstr(error.message, "203.0.113.1:7070"), "%s", error.message);
    cr_expect(strstr(error.message, "or 0.0.0.0 for all of them"), "%s", error.message);
    rpc_server_free(server, 0);
    echo_stop(&echo);
}

Test(server, a_unix_socket_serves_and_a_dead_ones_file_is_taken_over)
{
    char address[128], folder[64];
    socket_address(address, folder);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    cr_assert_lt(strlen(address + 5), sizeof name.sun_path);
    strcpy(name.sun_path, address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd); // the file stays, nobody listens
    echo_start(&echo, address, 2);
    assert_answers();
    struct rpc_server *second = NULL;
    struct error error = ERROR_INIT;
    struct rpc_server_options options = {0};
    cr_assert_eq(rpc_server_new(&second, echo.runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(second, address, NULL, &error), STATUS_ALREADY_EXISTS);
    cr_assert(strstr(error.message, "is in use"), "%s", error.message);
    rpc_server_free(second, 0);
    assert_answers(); // the live one was left alone
    echo_stop(&echo);
    unlink(address + 5);
    rmdir(folder);
}

Test(server, a_file_that_is_no_socket_is_left_alone)
{
    char address[128], folder[64];
    socket_address(address, folder);
    fclose(fopen(address + 5, "w"));
    struct error error = ERROR_INIT;
    struct rpc_server_options options = {0};
    cr_assert_eq(rpc_runtime_new(&echo.runtime, 1, &error), STATUS_OK);
    cr_assert_eq(rpc_server_new(&echo.server, echo.runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(echo.server, address, NULL, &error), STATUS_ALREADY_EXISTS);
    cr_assert_eq(access(address + 5, F_OK), 0);
    echo_stop(&echo);
    unlink(address + 5);
    rmdir(folder);
}

Test(server, without_a_server_the_error_says_what_to_ask)
{
    echo_start(&echo, NULL, 1);
    echo.server = rpc_server_free(echo.server, 0);
    struct error error = ERROR_INIT;
    uint64_t offset;
    cr_assert_eq(offer(echo.channel, "a", 1, 10000, &offset, &error), STATUS_UNAVAILABLE, "%s",
                 error.message);
    char expected[256];
    snprintf(expected, sizeof expected, "no server at '%s' (Connection refused);", echo.address);
    cr_assert_eq(strncmp(error.message, expected, strlen(expected)), 0, "%s", error.message);
    cr_assert(strstr(error.message, "is the coordinator running?"), "%s", error.message);
    echo_stop(&echo);
}

Test(server, a_waiting_call_is_answered_soon_after_the_server_is_up)
{
    echo_start(&echo, NULL, 2);
    struct watch before, watch;
    begin(&before, PATH_ATTEND, &watch_attend, true);
    rpc_call_receive(before.call);
    send_join(before.call, 1);
    cr_assert(wait_for_count(&echo.n_open, 1));
    echo.server = rpc_server_free(echo.server, 0);
    cr_assert(watch_wait(&before, &before.n_closed, 1)); // so the loss of the connection is known
    rpc_call_unref(before.call);
    begin(&watch, PATH_ATTEND, &watch_attend, true);
    rpc_call_receive(watch.call);
    send_join(watch.call, 9);
    usleep(300000);
    cr_assert_eq(watch.n_closed, 0);
    char address[128];
    strcpy(address, echo.address);
    int64_t up = clock_monotonic_ms();
    echo_serve(&echo, address);
    cr_assert(watch_wait(&watch, &watch.n_messages, 1));
    cr_assert_eq(watch.epoch, 9);
    cr_assert_lt(clock_monotonic_ms() - up, 3000);
    rpc_call_end(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    rpc_call_unref(watch.call);
    echo_stop(&echo);
}

Test(server, freeing_the_server_in_mid_stream_closes_both_sides)
{
    echo_start(&echo, NULL, 2);
    struct watch attending, fetching;
    begin(&attending, PATH_ATTEND, &watch_attend, true);
    rpc_call_receive(attending.call);
    send_join(attending.call, 1);
    cr_assert(watch_wait(&attending, &attending.n_messages, 1));
    begin(&fetching, PATH_FETCH, &watch_fetch, true);
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    request.model_round = 100000;
    rpc_call_send(fetching.call, cohort_v1_FetchModelRequest_fields, &request, NULL);
    rpc_call_receive(fetching.call);
    cr_assert(watch_wait(&fetching, &fetching.n_messages, 3));
    int64_t before = clock_monotonic_ms();
    echo.server = rpc_server_free(echo.server, 50);
    cr_assert_lt(clock_monotonic_ms() - before, 5000);
    cr_assert_eq(echo.n_closed, 2);
    cr_assert(watch_wait(&attending, &attending.n_closed, 1));
    cr_assert(watch_wait(&fetching, &fetching.n_closed, 1));
    cr_assert_neq(attending.status, STATUS_OK);
    cr_assert_eq(fetching.status, STATUS_UNAVAILABLE, "%d %s", fetching.status, fetching.message);
    rpc_call_unref(attending.call);
    rpc_call_unref(fetching.call);
    echo_stop(&echo);
}

Test(server, the_grace_lets_a_call_finish)
{
    echo_start(&echo, NULL, 2);
    struct watch watch;
    begin(&watch, PATH_FETCH, &watch_fetch, true);
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    request.model_round = 64;
    rpc_call_send(watch.call, cohort_v1_FetchModelRequest_fields, &request, NULL);
    rpc_call_end(watch.call);
    rpc_call_receive(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_messages, 1));
    echo.server = rpc_server_free(echo.server, 20000);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    cr_assert_eq(watch.status, STATUS_OK, "%s", watch.message);
    cr_assert_eq(watch.n_messages, 64);
    rpc_call_unref(watch.call);
    echo_stop(&echo);
}

Test(server, a_peer_that_does_not_read_exhausts_its_queue_only)
{
    echo_start(&echo, NULL, 2);
    struct watch watch;
    begin(&watch, PATH_ATTEND, &watch_attend, true);
    watch.silent = true;
    send_leave(watch.call, "flood");
    cr_assert(wait_for_count(&echo.n_flooded, 1));
    cr_assert_eq(echo.flood_status, STATUS_RESOURCE_EXHAUSTED);
    cr_assert_geq(echo.n_flooded, (size_t)60);
    assert_answers();
    rpc_call_cancel(watch.call);
    cr_assert(watch_wait(&watch, &watch.n_closed, 1));
    rpc_call_unref(watch.call);
    echo_stop(&echo);
}

Test(server, garbage_on_the_port_harms_nobody)
{
    echo_start(&echo, NULL, 2);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    name.sin_port = htons((uint16_t)atoi(strchr(echo.address, ':') + 1));
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST});
    for (unsigned int i = 0; i < 20; i++) {
        unsigned char garbage[512];
        for (size_t j = 0; j < sizeof garbage; j++)
            garbage[j] = (unsigned char)random_u32(&random);
        if (i % 2) // looks right at first
            memcpy(garbage, preface, sizeof preface - 1);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
        cr_assert_eq(send(fd, garbage, sizeof garbage, MSG_NOSIGNAL), (ssize_t)sizeof garbage);
        if (i % 3)
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    assert_answers();
    echo_stop(&echo);
}

Test(server, a_thousand_streams_at_once_are_served)
{
    enum { N = 1000 };
    echo_start(&echo, NULL, 2);
    static struct watch watches[N];
    for (size_t i = 0; i < N; i++) {
        begin(&watches[i], PATH_ATTEND, &watch_attend, true);
        rpc_call_receive(watches[i].call);
        send_join(watches[i].call, i + 1);
    }
    cr_assert(wait_for_count(&echo.n_open, N));
    for (size_t i = 0; i < N; i++) {
        cr_assert(watch_wait(&watches[i], &watches[i].n_messages, 1));
        cr_assert_eq(watches[i].epoch, i + 1);
        rpc_call_end(watches[i].call);
    }
    for (size_t i = 0; i < N; i++) {
        cr_assert(watch_wait(&watches[i], &watches[i].n_closed, 1));
        cr_assert_eq(watches[i].status, STATUS_OK);
        rpc_call_unref(watches[i].call);
    }
    cr_assert(wait_for_count(&echo.n_closed, N));
    cr_assert_eq(echo.n_cancelled, 0);
    echo_stop(&echo);
}

Test(server, a_server_that_never_started_is_freed)
{
    struct error error = ERROR_INIT;
    struct rpc_server_options options = {0};
    int port = 0;
    cr_assert_eq(rpc_runtime_new(&echo.runtime, 1, &error), STATUS_OK);
    cr_assert_eq(rpc_server_new(&echo.server, echo.runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(echo.server, "127.0.0.1:0", &port, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_gt(port, 0);
    echo_stop(&echo);
}

Test(server, a_method_served_twice_is_a_mistake_that_is_told)
{
    static const struct rpc_method methods[] = {{.path = "/a/B"}, {.path = "/a/B"}, {0}};
    struct rpc_service service = {.name = "a", .methods = methods};
    struct rpc_server_options options = {.services = &service, .n_services = 1};
    struct error error = ERROR_INIT;
    struct rpc_server *server = NULL;
    cr_assert_eq(rpc_runtime_new(&echo.runtime, 1, &error), STATUS_OK);
    cr_assert_eq(rpc_server_new(&server, echo.runtime, &options, &error), STATUS_INTERNAL);
    cr_assert_null(server);
    echo_stop(&echo);
}

Test(server, a_failing_allocation_fails_one_call_and_no_more)
{
    echo_start(&echo, NULL, 1);
    assert_answers();
    for (unsigned long n = 1; n <= 12; n++) {
        uint64_t offset;
        memory_fail_after(n);
        enum status status = offer(echo.channel, "a", 1, 10000, &offset, NULL);
        memory_fail_after(0);
        cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED || status == STATUS_INTERNAL,
                  "allocation %lu: %d", n, status);
        assert_answers();
    }
    echo_stop(&echo);
}
