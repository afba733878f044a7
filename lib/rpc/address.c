// Addresses: "HOST:PORT", "[IPV6]:PORT", "unix:/path". gRPC does not say why it cannot listen, and takes over
// a socket file without asking; both are seen to here.
#include "base/memory.h"
#include "rpc/rpc_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_BYTES = 256, PORT_MAX = 65535 };

static const char unix_scheme[] = "unix:";

static const char *unix_path(const char *address)
{
    size_t n = sizeof unix_scheme - 1;
    return strncmp(address, unix_scheme, n) == 0 ? address + n : NULL;
}

struct host_port {
    char host[HOST_BYTES];
    const char *port;
    int number;
};

static enum status bad_address(const char *address, struct error *error)
{
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "address '%s' must be HOST:PORT, [IPV6]:PORT or unix:/path", address);
}

static enum status parse(const char *address, struct host_port *ret, struct error *error)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    if (n == 0 || n >= sizeof ret->host || (!bracketed && memchr(address, ':', n)))
        return bad_address(address, error);
    if (colon[1] < '0' || colon[1] > '9')
        return bad_address(address, error);
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > PORT_MAX)
        return bad_address(address, error);
    ret->port = colon + 1;
    ret->number = (int)port;
    memcpy(ret->host, address + bracketed, n - 2 * bracketed);
    ret->host[n - 2 * bracketed] = '\0';
    if (!ret->host[0] || strpbrk(ret->host, "[]/ "))
        return bad_address(address, error);
    return STATUS_OK;
}

static enum status check_path(const char *path, struct error *error)
{
    size_t limit = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (!*path || strlen(path) >= limit)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "socket path '%s' must have 1 to %zu characters; choose a shorter one", path,
                         limit - 1);
    return STATUS_OK;
}

enum status address_target(char **ret, const char *address, struct error *error)
{
    const char *path = unix_path(address);
    const char *scheme = "";
    if (path) {
        TRY(check_path(path, error));
    } else {
        struct host_port parts;
        struct in6_addr six;
        struct in_addr four;
        TRY(parse(address, &parts, error));
        scheme = "dns:";
        if (inet_pton(AF_INET, parts.host, &four) == 1)
            scheme = "ipv4:";
        else if (inet_pton(AF_INET6, parts.host, &six) == 1)
            scheme = "ipv6:";
    }
    char *target = memory_format("%s%s", scheme, address);
    if (!target)
        return error_no_memory(error, strlen(address));
    *ret = target;
    return STATUS_OK;
}

static enum status in_use(const char *address, struct error *error)
{
    const char *path = unix_path(address);
    if (path)
        return error_set(error, STATUS_ALREADY_EXISTS,
                         "socket '%s' is in use; choose another or stop what uses it", path);
    return error_set(error, STATUS_ALREADY_EXISTS, "port %s is in use; choose another or stop what uses it",
                     strrchr(address, ':') + 1);
}

// 0 when someone answers, or errno.
static int knock(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int number = connect(fd, (struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    return number;
}

enum status address_prepare(const char *address, struct error *error)
{
    const char *path = unix_path(address);
    struct host_port parts;
    if (!path)
        return parse(address, &parts, error);
    TRY(check_path(path, error));
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? STATUS_OK : error_errno(error, errno, "cannot listen on", path);
    if (!S_ISSOCK(info.st_mode))
        return error_set(error, STATUS_ALREADY_EXISTS, "'%s' exists and is not a socket; choose another path",
                         path);
    if (knock(path) != ECONNREFUSED)
        return in_use(address, error);
    if (unlink(path) != 0 && errno != ENOENT)
        return error_errno(error, errno, "cannot remove the socket that was left behind,", path);
    return STATUS_OK;
}

static int try_bind(const struct sockaddr *name, socklen_t bytes)
{
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int number = bind(fd, name, bytes) == 0 && listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    return number;
}

static enum status explain_number(int number, const char *address, struct error *error)
{
    if (number == EADDRINUSE)
        return in_use(address, error);
    if (number == 0)
        return error_set(error, STATUS_UNAVAILABLE, "cannot listen on '%s' just now; try again", address);
    if (number == EADDRNOTAVAIL)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "cannot listen on '%s': %s; use one of this machine's addresses, or 0.0.0.0 for all of them",
            address, strerror(number));
    return error_errno(error, number, "cannot listen on", address);
}

enum status address_explain(const char *address, struct error *error)
{
    const char *path = unix_path(address);
    if (path) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        memcpy(name.sun_path, path, strlen(path) + 1);
        int number = try_bind((struct sockaddr *)&name, sizeof name);
        if (number == 0)
            unlink(path);
        return explain_number(number, address, error);
    }
    struct host_port parts;
    TRY(parse(address, &parts, error));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int number = getaddrinfo(parts.host, parts.port, &hints, &found);
    if (number)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "cannot listen on '%s': %s; use one of this machine's addresses", address,
                         gai_strerror(number));
    number = try_bind(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return explain_number(number, address, error);
}

bool address_is_local(const char *address)
{
    struct host_port parts;
    struct in_addr four;
    struct in6_addr six;
    if (unix_path(address))
        return true;
    if (parse(address, &parts, NULL) != STATUS_OK)
        return false;
    if (inet_pton(AF_INET, parts.host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, parts.host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(parts.host, "localhost") == 0;
}

bool address_of_peer(const char *peer, struct in6_addr *ret, uint16_t *ret_port)
{
    static const char four[] = "ipv4:", six[] = "ipv6:";
    char text[INET6_ADDRSTRLEN];
    const char *colon = strrchr(peer, ':'), *host = peer + sizeof four - 1;
    if (!colon || colon < host)
        return false;
    *ret_port = (uint16_t)strtoul(colon + 1, NULL, 10);
    if (strncmp(peer, four, sizeof four - 1) == 0) {
        snprintf(text, sizeof text, "::ffff:%.*s", (int)(colon - host), host);
    } else if (strncmp(peer, six, sizeof six - 1) == 0) {
        host += strncmp(host, "%5B", 3) == 0 ? 3 : strspn(host, "[");
        snprintf(text, sizeof text, "%.*s", (int)strcspn(host, "%]"), host);
    } else {
        return false;
    }
    return inet_pton(AF_INET6, text, ret) == 1;
}
