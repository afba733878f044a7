// cohort-learner: attends a coordinator's experiments with its own data until it is told to stop.
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/trace.h"
#include "config/program.h"
#include "learner/host.h"
#include "learner/metrics.h"
#include "nn/blas.h"
#include "report/prometheus.h"
#include "rpc/accept.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

enum { STALLED_MS = 60000 }; // a caller that reads nothing of its answer for so long is cut off

struct service {
    struct learner_options options;
    struct program_arguments arguments;
    struct rpc_runtime *runtime;
    struct rpc_server *server;         // NULL: its own service is not offered
    struct prometheus_server *metrics; // NULL: none
    struct host *host;
};

// "host:0" came to a port.
static void advertise(const struct service *service, int port)
{
    const char *listen = service->options.listen;
    size_t n = strlen(listen);
    char *address = service->host->address;
    size_t room = sizeof service->host->address;
    if (service->options.advertise)
        snprintf(address, room, "%s", service->options.advertise);
    else if (n > 2 && strcmp(listen + n - 2, ":0") == 0)
        snprintf(address, room, "%.*s:%d", (int)(n - 2 < room ? n - 2 : 0), listen, port);
    else
        snprintf(address, room, "%s", listen);
}

static enum status offer_service(struct service *service, struct error *error)
{
    const struct rpc_service services[] = {learner_service(service->host)};
    const struct rpc_server_options options = {
        .services = services, .n_services = ARRAY_SIZE(services), .stalled_ms = STALLED_MS};
    int port = 0;
    accept_limit(0, 0);
    TRY(rpc_server_new(&service->server, service->runtime, &options, error));
    if (rpc_server_listen(service->server, service->options.listen, &port, error) != STATUS_OK)
        return error_prefix(error, "listen");
    TRY(rpc_server_start(service->server, error));
    advertise(service, port);
    log_info("listening", LOG_S("address", service->options.listen), LOG_I("port", port),
             LOG_S("advertised", service->host->address));
    return STATUS_OK;
}

// Probe samples drawn from a learner's own data would be nobody else's.
static enum status check_data(const struct data_options *data, struct error *error)
{
    TRY(data_check(data, error));
    if (!data->has_probe || data->probe.samples == 0)
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "data.probe.samples is for learners that share one dataset; name a file that all learners "
        "have with data.probe.features");
}

static enum status start(struct service *service, struct error *error)
{
    if (service->options.common.trace)
        TRY(trace_open(service->options.common.trace, "learner", error));
    if (service->options.has_data)
        TRY(check_data(&service->options.data, error));
    TRY(rpc_runtime_new(&service->runtime, 1, error));
    TRY(rpc_runtime_secure(service->runtime, &service->options.common.security, program_log_refusal, error));
    rpc_runtime_set_window_probe(service->runtime, service->options.common.window_probe);
    if (service->options.common.cross_memory)
        cross_memory_allow_siblings();
    TRY(host_new(&service->host, &service->options, service->runtime, error));
    if (service->options.listen)
        TRY(offer_service(service, error));
    TRY(prometheus_offer(&service->metrics, service->options.common.metrics, host_metrics, service->host,
                         error));
    TRY(host_start(service->host, error));
    program_announce(&service->arguments, service->options.coordinator);
    return STATUS_OK;
}

static enum status serve(void *self, struct error *error)
{
    struct service *service = self;
    enum status status = start(service, error);
    bool served = status == STATUS_OK;
    if (served) {
        int number = stop_wait();
        log_info("draining", LOG_S("signal", strsignal(number)));
        if (*service->host->message)
            status = error_set(error, STATUS_FAILED_PRECONDITION, "%s", service->host->message);
    }
    prometheus_server_free(service->metrics);
    if (service->server)
        rpc_server_free(service->server, 0);
    host_free(service->host);
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
        .name = "cohort-learner",
        .about =
            "trains on its own data and exchanges parameter summaries with others through a coordinator.",
        .fields = learner_fields,
        .target = &service.options,
        .log = &service.options.common.log,
        .arguments = &service.arguments,
        .serve = serve,
        .service = &service,
    };
    stop_block();
    memory_tune_for_streams();
    blas_open();
    return program_main(&program, argc, argv);
}
