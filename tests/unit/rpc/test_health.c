#include "echo.h"
#include "grpc/health/v1/health.pb.h"
#include <criterion/criterion.h>
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

TestSuite(health, .init = start, .fini = stop, .timeout = 60);

static enum status ask(const char *service, struct error *error)
{
    return rpc_health_check(echo.runtime, echo.address, service, 10000, error);
}

Test(health, a_server_that_was_started_is_serving)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(ask("", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(ask("cohort.v1.Exchange", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(ask("grpc.health.v1.Health", &error), STATUS_OK, "%s", error.message);
}

Test(health, a_server_that_says_so_is_not_serving)
{
    struct error error = ERROR_INIT;
    rpc_server_set_serving(echo.server, false);
    cr_assert_eq(ask("", &error), STATUS_UNAVAILABLE);
    cr_assert(strstr(error.message, "not serving"), "%s", error.message);
    rpc_server_set_serving(echo.server, true);
    cr_assert_eq(ask("", &error), STATUS_OK);
}

Test(health, an_unknown_service_is_not_found)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(ask("cohort.v1.Nonsense", &error), STATUS_NOT_FOUND);
    cr_assert(strstr(error.message, "cohort.v1.Nonsense"), "%s", error.message);
}

Test(health, without_a_server_it_is_unavailable)
{
    struct error error = ERROR_INIT;
    echo.server = rpc_server_free(echo.server, 0);
    cr_assert_eq(ask("", &error), STATUS_UNAVAILABLE);
    cr_assert(strstr(error.message, "no server at"), "%s", error.message);
}

// ---- watching

struct seen {
    struct watch watch;
    int last;
};

static void got_status(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct seen *seen = user;
    grpc_health_v1_HealthCheckResponse response;
    pthread_mutex_lock(&seen->watch.lock);
    seen->last = -1;
    if (rpc_message_decode(message, grpc_health_v1_HealthCheckResponse_fields, &response, NULL) == STATUS_OK)
        seen->last = (int)response.status;
    seen->watch.n_messages++;
    pthread_cond_broadcast(&seen->watch.changed);
    pthread_mutex_unlock(&seen->watch.lock);
    rpc_call_receive(call);
}

static void watch_service(struct seen *seen, const char *service)
{
    static struct rpc_events events;
    events = (struct rpc_events){.message = got_status, .closed = watch_attend.closed};
    grpc_health_v1_HealthCheckRequest request = grpc_health_v1_HealthCheckRequest_init_zero;
    strcpy(request.service, service);
    watch_init(&seen->watch);
    cr_assert_eq(rpc_call_start(&seen->watch.call, echo.channel, "/grpc.health.v1.Health/Watch", 0, true,
                                &events, seen, NULL),
                 STATUS_OK);
    rpc_call_send(seen->watch.call, grpc_health_v1_HealthCheckRequest_fields, &request, NULL);
    rpc_call_end(seen->watch.call);
    rpc_call_receive(seen->watch.call);
    cr_assert(watch_wait(&seen->watch, &seen->watch.n_messages, 1));
}

Test(health, a_watcher_is_told_of_every_change_and_of_the_end)
{
    struct seen seen;
    watch_service(&seen, "cohort.v1.Exchange");
    cr_assert_eq(seen.last, grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING);
    rpc_server_set_serving(echo.server, false);
    cr_assert(watch_wait(&seen.watch, &seen.watch.n_messages, 2));
    cr_assert_eq(seen.last, grpc_health_v1_HealthCheckResponse_ServingStatus_NOT_SERVING);
    rpc_server_set_serving(echo.server, false); // no change, no news
    rpc_server_set_serving(echo.server, true);
    cr_assert(watch_wait(&seen.watch, &seen.watch.n_messages, 3));
    cr_assert_eq(seen.last, grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING);
    echo.server = rpc_server_free(echo.server, 20000); // does not wait for watchers
    cr_assert(watch_wait(&seen.watch, &seen.watch.n_closed, 1));
    cr_assert_eq(seen.watch.status, STATUS_UNAVAILABLE);
    cr_assert_str_eq(seen.watch.message, "the server is stopping");
    rpc_call_unref(seen.watch.call);
}

Test(health, a_watcher_of_an_unknown_service_is_told_so_and_kept)
{
    struct seen seen;
    watch_service(&seen, "nonsense");
    cr_assert_eq(seen.last, grpc_health_v1_HealthCheckResponse_ServingStatus_SERVICE_UNKNOWN);
    rpc_call_cancel(seen.watch.call);
    cr_assert(watch_wait(&seen.watch, &seen.watch.n_closed, 1));
    rpc_call_unref(seen.watch.call);
}
