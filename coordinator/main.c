// cohort-coordinator: serves users and learners, or relays learners to another, until it is told to stop.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/trace.h"
#include "config/program.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/metrics.h"
#include "coordinator/relay.h"
#include "nn/blas.h"
#include "report/prometheus.h"
#include "rpc/accept.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct service {
    struct coordinator_options options;
    struct program_arguments arguments;
    struct rpc_runtime *runtime;
    struct rpc_server *server;
    struct prometheus_server *metrics; // NULL: none
    struct coordinator *coordinator;   // or
    struct relay *relay;
    const char *relay_of; // --relay-of
};

static size_t n_queue_threads(const struct coordinator_options *options)
{
    size_t n = options->threads ? (size_t)options->threads : pool_n_cores();
    return options->threads || n <= 4 ? n : 4;
}

// An address with the port that was really taken.
static void format_address(const char *address, int port, char *ret, size_t bytes)
{
    const char *colon = strrchr(address, ':');
    if (strncmp(address, "unix:", 5) == 0 || !colon)
        snprintf(ret, bytes, "%s", address);
    else
        snprintf(ret, bytes, "%.*s:%d", (int)(colon - address), address, port);
}

static enum status listen_all(struct service *service, char *ret_first, size_t bytes, struct error *error)
{
    for (size_t i = 0; i < service->options.listen.n; i++) {
        char address[256];
        int port = 0;
        if (rpc_server_listen(service->server, service->options.listen.values[i], &port, error) != STATUS_OK)
            return error_prefix(error, "listen");
        format_address(service->options.listen.values[i], port, address, sizeof address);
        log_info("listening", LOG_S("address", address));
        if (i == 0)
            snprintf(ret_first, bytes, "%s", address);
    }
    return STATUS_OK;
}

static enum status make_server(struct service *service, const struct rpc_service *services, size_t n,
                               struct error *error)
{
    const struct coordinator_options *options = &service->options;
    const struct rpc_server_options wanted = {.services = services,
                                              .n_services = n,
                                              .max_streams = options->max_streams,
                                              .max_received_bytes = options->max_received_bytes,
                                              .max_calls_a_host = options->max_calls_a_host,
                                              .max_unread_a_host = options->max_unread_a_host,
                                              .calls_a_second = options->calls_a_second,
                                              .exchanges_a_second = options->exchanges_a_second,
                                              .stalled_ms = LEASE_PATIENCE * options->lease_ms};
    return rpc_server_new(&service->server, service->runtime, &wanted, error);
}

static enum status make_relay(struct service *service, struct error *error)
{
    TRY(relay_new(&service->relay, &service->options, service->runtime, error));
    const struct rpc_service services[] = {relay_service(service->relay)};
    log_info("relaying", LOG_S("to", service->options.relay_of));
    return make_server(service, services, ARRAY_SIZE(services), error);
}

static enum status make_coordinator(struct service *service, struct error *error)
{
    TRY(coordinator_new(&service->coordinator, &service->options, error));
    const struct rpc_service services[] = {coordinator_service(service->coordinator),
                                           exchange_service(service->coordinator)};
    return make_server(service, services, ARRAY_SIZE(services), error);
}

static enum status start(struct service *service, struct error *error)
{
    char address[256] = "";
    if (service->options.listen.n == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "'listen' names no address; give at least one");
    if (service->relay_of)
        service->options.relay_of = service->relay_of;
    accept_limit((size_t)service->options.max_connections, (size_t)service->options.max_connections_a_host);
    TRY(rpc_runtime_new(&service->runtime, n_queue_threads(&service->options), error));
    TRY(rpc_runtime_secure(service->runtime, &service->options.common.security, program_log_refusal, error));
    rpc_runtime_set_window_probe(service->runtime, service->options.common.window_probe);
    if (service->options.common.cross_memory)
        cross_memory_allow_siblings();
    TRY(service->options.relay_of ? make_relay(service, error) : make_coordinator(service, error));
    TRY(listen_all(service, address, sizeof address, error));
    TRY(prometheus_offer(&service->metrics, service->options.common.metrics, coordinator_metrics,
                         service->coordinator, error));
    TRY(rpc_server_start(service->server, error));
    if (service->coordinator)
        coordinator_set_server(service->coordinator, service->server);
    program_announce(&service->arguments, address);
    return STATUS_OK;
}

static enum status open_trace(const struct service *service, struct error *error)
{
    if (!service->options.common.trace)
        return STATUS_OK;
    TRY(trace_open(service->options.common.trace,
                   service->relay_of || service->options.relay_of ? "relay" : "coordinator", error));
    trace_name_track(JOB_TRACK_ROUNDS, "rounds");
    trace_name_track(JOB_TRACK_HASHES, "hashes");
    trace_name_track(JOB_TRACK_EVALUATION, "evaluation");
    return STATUS_OK;
}

static bool busy(const struct service *service)
{
    struct coordinator *coordinator = service->coordinator;
    bool busy = false;
    if (service->relay)
        return relay_busy(service->relay);
    pthread_mutex_lock(&coordinator->lock);
    for (struct job *job = coordinator->jobs; job; job = job->next) {
        round_pause(job->round, clock_monotonic_ms());
        enum round_phase phase = round_phase(job->round);
        busy |= phase == ROUND_COLLECTING || phase == ROUND_COMMITTING || phase == ROUND_EVALUATING;
    }
    pthread_mutex_unlock(&coordinator->lock);
    return busy;
}

// Lets the rounds under way commit, within the time allowed.
static void drain(struct service *service)
{
    int64_t until_ms = clock_monotonic_ms() + service->options.drain_ms;
    rpc_server_set_serving(service->server, false);
    while (busy(service) && clock_monotonic_ms() < until_ms)
        usleep(10000);
}

static enum status serve(void *self, struct error *error)
{
    struct service *service = self;
    enum status status = open_trace(service, error);
    if (status == STATUS_OK)
        status = start(service, error);
    bool served = status == STATUS_OK;
    if (served) {
        int number = stop_wait();
        log_info("draining", LOG_S("signal", strsignal(number)));
        drain(service);
    }
    prometheus_server_free(service->metrics);
    if (service->coordinator)
        coordinator_set_server(service->coordinator, NULL);
    if (service->server)
        rpc_server_free(service->server, 0);
    coordinator_free(service->coordinator);
    relay_free(service->relay);
    if (service->runtime)
        rpc_runtime_free(service->runtime);
    trace_close();
    if (served)
        log_info("stopped", LOG_I("peak_rss_bytes", memory_peak_rss()));
    return status;
}

int main(int argc, char **argv)
{
    struct service service = {0};
    const struct program program = {
        .name = "cohort-coordinator",
        .about =
            "schedules rounds in which learners exchange parameter summaries, until their models converge.",
        .fields = coordinator_fields,
        .target = &service.options,
        .log = &service.options.common.log,
        .arguments = &service.arguments,
        .own = {"--relay-of", ARGUMENT_TEXT, &service.relay_of, "ADDRESS",
                "relay learners to the coordinator, or relay, at this address (setting relay_of)"},
        .serve = serve,
        .service = &service,
    };
    stop_block();
    memory_tune_for_streams();
    blas_open();
    return program_main(&program, argc, argv);
}
