// The symbol takes the place of the C library's for gRPC, which is linked dynamically.
#include "rpc/accept.h"
#include "base/memory.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> // its tcp_info counts bytes, glibc's does not
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 20, CONNECTIONS_MAX = 1 << 20 };

// An address without its port; IPv4 in IPv6's form, and of IPv6 the network alone, whose addresses are all
// its hosts' to take. Family 0: this host, or a socket file.
struct host {
    sa_family_t family;
    struct in6_addr address;
};

struct connection {
    int fd;
    uint64_t cookie; // of the socket: the descriptor may be another's by now
    struct host host;
    struct in6_addr address; // in full, as is the port
    uint16_t port;
};

// Listeners belong to the process, and so does what they have accepted.
static struct {
    pthread_mutex_t lock;
    struct connection *connections; // NULL: not bounded
    size_t n, max, max_a_host;
    int64_t swept_ms;
    int reserve; // a descriptor to accept with when there is no other
    atomic_ulong n_refused;
} door = {.lock = PTHREAD_MUTEX_INITIALIZER, .reserve = -1};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) ? 0 : cookie;
}

// Who is at the other end; nobody in particular for a socket file.
static void find_peer(struct connection *connection)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } peer = {.any = {0}};
    socklen_t n = sizeof peer;
    struct in6_addr *address = &connection->address;
    if (getpeername(connection->fd, &peer.any, &n) ||
        (peer.any.sa_family != AF_INET6 && peer.any.sa_family != AF_INET))
        return;
    if (peer.any.sa_family == AF_INET6) {
        *address = peer.six.sin6_addr;
    } else {
        memset(&address->s6_addr[10], 0xff, 2);
        memcpy(&address->s6_addr[12], &peer.four.sin_addr, 4);
    }
    connection->port = ntohs(peer.any.sa_family == AF_INET6 ? peer.six.sin6_port : peer.four.sin_port);
    bool four = IN6_IS_ADDR_V4MAPPED(address);
    if (IN6_IS_ADDR_LOOPBACK(address) || (four && address->s6_addr[12] == IN_LOOPBACKNET))
        return;
    connection->host = (struct host){.family = AF_INET6, .address = *address};
    if (!four)
        memset(&connection->host.address.s6_addr[8], 0, 8);
}

// ---- under the lock -------------------------------------------------------------------------------------

// Forgets those that have been closed. Others ask the kernel for each, so not at every accept.
static void sweep(void)
{
    int64_t now = now_ms();
    if (now - door.swept_ms < SWEEP_MS)
        return;
    door.swept_ms = now;
    size_t n = 0;
    for (size_t i = 0; i < door.n; i++)
        if (cookie_of(door.connections[i].fd) == door.connections[i].cookie)
            door.connections[n++] = door.connections[i];
    door.n = n;
}

static bool is_same(const struct host *a, const struct host *b)
{
    return a->family == b->family && memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static size_t count(const struct host *host)
{
    size_t n = 0;
    for (size_t i = 0; i < door.n; i++)
        n += is_same(&door.connections[i].host, host);
    return n;
}

static bool is_too_much(const struct host *host)
{
    return door.n >= door.max || (host->family && count(host) >= door.max_a_host);
}

// Whether the connection may stay.
static bool admit(int fd)
{
    struct connection connection = {.fd = fd, .cookie = cookie_of(fd)};
    find_peer(&connection);
    if (is_too_much(&connection.host))
        sweep();
    if (is_too_much(&connection.host))
        return false;
    door.connections[door.n++] = connection;
    return true;
}

static void keep_reserve(void)
{
    if (door.reserve < 0)
        door.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// All descriptors are taken: whoever waits is accepted with the spare one, and sent away.
static int turn_away(int listener)
{
    if (door.reserve >= 0)
        close(door.reserve);
    door.reserve = -1;
    int fd = (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
    int number = errno;
    if (fd >= 0)
        close(fd);
    keep_reserve();
    errno = fd < 0 && (number == EMFILE || number == ENFILE) ? EAGAIN : number;
    return fd < 0 ? -1 : 0;
}

// ---- what listeners call --------------------------------------------------------------------------------

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are its own
__attribute__((visibility("default"))) int accept4(int listener, struct sockaddr *address, socklen_t *n,
                                                   int flags)
{
    for (;;) {
        socklen_t room = n ? *n : 0;
        int fd = (int)syscall(SYS_accept4, listener, address, n ? &room : NULL, flags);
        bool exhausted = fd < 0 && (errno == EMFILE || errno == ENFILE);
        if (fd < 0 && !exhausted)
            return fd;
        pthread_mutex_lock(&door.lock);
        bool stays = fd >= 0 && (!door.connections || admit(fd));
        bool empty = exhausted && turn_away(listener) < 0;
        int number = errno;
        pthread_mutex_unlock(&door.lock);
        if (stays) {
            if (n)
                *n = room;
            return fd;
        }
        if (empty) {
            errno = number;
            return -1;
        }
        if (fd >= 0)
            close(fd);
        atomic_fetch_add(&door.n_refused, 1);
    }
}

bool accept_moved_bytes(const struct in6_addr *address, uint16_t port, uint64_t *ret)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    int fd = -1;
    pthread_mutex_lock(&door.lock);
    for (size_t i = 0; i < door.n && fd < 0; i++) {
        const struct connection *it = &door.connections[i];
        if (it->port == port && IN6_ARE_ADDR_EQUAL(&it->address, address) && cookie_of(it->fd) == it->cookie)
            fd = it->fd;
    }
    // Closed meanwhile, and another's by now: then this stream has nothing to gain any more.
    bool known = fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
                 n >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
    pthread_mutex_unlock(&door.lock);
    *ret = info.tcpi_bytes_received + info.tcpi_bytes_acked;
    return known;
}

unsigned long accept_n_refused(void)
{
    return atomic_load(&door.n_refused);
}

// Descriptors that the process may have from now on.
static size_t raise_bound(void)
{
    struct rlimit bound;
    if (getrlimit(RLIMIT_NOFILE, &bound))
        return 1024;
    bound.rlim_cur = bound.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &bound) || getrlimit(RLIMIT_NOFILE, &bound))
        return 1024;
    return bound.rlim_cur < CONNECTIONS_MAX ? (size_t)bound.rlim_cur : CONNECTIONS_MAX;
}

void accept_limit(size_t max, size_t max_a_host)
{
    size_t descriptors = raise_bound();
    size_t room =
        descriptors > 2 * ACCEPT_SPARE_DESCRIPTORS ? descriptors - ACCEPT_SPARE_DESCRIPTORS : descriptors / 2;
    pthread_mutex_lock(&door.lock);
    keep_reserve();
    max = max && max < room ? max : room;
    struct connection *connections = memory_resize(door.connections, max, sizeof *connections);
    if (connections) { // else the bound before stands, or none but the descriptors themselves
        door.connections = connections;
        door.max = max;
        door.max_a_host = max_a_host ? max_a_host : (max + 1) / 2;
        door.n = door.n < max ? door.n : max;
    }
    pthread_mutex_unlock(&door.lock);
}
