#include "base/log.h"
#include "base/memory.h"
#include "report/prometheus.h"
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <string.h>

enum { CONNECTIONS_MAX = 16, IDLE_S = 10, CONNECTION_MEMORY = 16 << 10 };

struct prometheus_server {
    struct MHD_Daemon *daemon;
    void (*collect)(void *self, struct bytes *ret);
    void *self;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int code, const char *type,
                              const char *text, size_t n)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int code, const char *text)
{
    return answer(connection, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result handle(void *self, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload, size_t *n_upload,
                              void **state)
{
    struct prometheus_server *server = self;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    if (strcmp(url, "/metrics") != 0)
        return refuse(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
    struct bytes text = BYTES_INIT;
    server->collect(server->self, &text);
    enum MHD_Result result =
        text.failed ? refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory; try again\n")
                    : answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                             text.data ? text.data : "", text.n);
    bytes_release(&text);
    return result;
}

static enum status resolve(const char *address, struct addrinfo **ret, struct error *error)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    if (n == 0 || n >= sizeof host || !colon[1])
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is no address; write host:port", address);
    memcpy(host, address + bracketed, n - 2 * bracketed);
    host[n - 2 * bracketed] = '\0';
    int code = getaddrinfo(host, colon + 1, &hints, ret);
    if (code)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' is no address to listen on (%s); write host:port", address,
                         gai_strerror(code));
    return STATUS_OK;
}

static enum status start(struct prometheus_server *server, const char *address, const struct addrinfo *info,
                         struct error *error)
{
    unsigned int flags = MHD_USE_AUTO_INTERNAL_THREAD;
    if (info->ai_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK;
    errno = 0;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, info->ai_addr,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned int)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (!server->daemon)
        return error_set(error, errno == EADDRINUSE ? STATUS_ALREADY_EXISTS : STATUS_UNAVAILABLE,
                         "cannot listen on '%s' (%s); choose another address or stop who uses it", address,
                         errno ? strerror(errno) : "the HTTP server did not start");
    return STATUS_OK;
}

enum status prometheus_server_new(struct prometheus_server **ret, const char *address,
                                  void (*collect)(void *self, struct bytes *ret), void *self, int *ret_port,
                                  struct error *error)
{
    struct addrinfo *info = NULL;
    TRY(resolve(address, &info, error));
    struct prometheus_server *server = memory_zalloc(sizeof *server);
    enum status status = server ? STATUS_OK : error_no_memory(error, sizeof *server);
    if (server) {
        *server = (struct prometheus_server){.collect = collect, .self = self};
        status = start(server, address, info, error);
    }
    freeaddrinfo(info);
    if (status != STATUS_OK) {
        memory_free(server);
        return status;
    }
    const union MHD_DaemonInfo *bound = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *ret_port = bound ? bound->port : 0;
    *ret = server;
    return STATUS_OK;
}

enum status prometheus_offer(struct prometheus_server **ret, const char *address,
                             void (*collect)(void *self, struct bytes *ret), void *self, struct error *error)
{
    int port = 0;
    if (!address)
        return STATUS_OK;
    if (prometheus_server_new(ret, address, collect, self, &port, error) != STATUS_OK)
        return error_prefix(error, "metrics");
    log_info("metrics", LOG_S("address", address), LOG_I("port", port));
    return STATUS_OK;
}

struct prometheus_server *prometheus_server_free(struct prometheus_server *server)
{
    if (server)
        MHD_stop_daemon(server->daemon);
    return memory_free(server);
}
