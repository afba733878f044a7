#include "rpc/cross_memory.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

// A tile, and the sums that it is added to, fit a usual L2 cache of 1 MiB. It begins where vectors do, at a
// multiple of 64: the kernel copies several times as fast where both ends lie alike.
enum { BACKLOG = 64, TILE_BYTES = 256 << 10, VECTOR_BYTES = 64 };

struct cross_memory {
    atomic_uint references;
    pid_t pid;
    int pidfd; // tells whether `pid` is still the same process
    // A block for a tile that nobody uses now, or NULL. Freed each time, it would leave holes in the heap.
    _Atomic(uint8_t *) spare;
};

// A line that was asked for and not taken yet.
struct asked {
    int fd;
    pid_t pid; // by whom
    struct cross_token token;
};

struct cross_door {
    int fd;
    struct cross_token token;
    struct cross_memory *met;        // the last one whose memory could be read, or NULL
    struct asked asked[BACKLOG / 2]; // the last ones
    size_t n_asked;
};

enum status cross_token_draw(struct cross_token *ret, struct error *error)
{
    if (getrandom(ret->bytes, sizeof ret->bytes, 0) == sizeof ret->bytes)
        return STATUS_OK;
    return error_errno(error, errno, "cannot draw", "a random token");
}

uint64_t cross_address(const void *place)
{
    return (uint64_t)(uintptr_t)place;
}

_Static_assert(sizeof((cohort_v1_CrossMemory *)0)->token == CROSS_TOKEN_BYTES, "a token as it is sent");

void cross_token_tell(const struct cross_token *token, cohort_v1_CrossMemory *ret)
{
    memcpy(ret->token, token, sizeof *token);
    ret->address = cross_address(token);
}

cohort_v1_Place cross_place(uint64_t offset, const void *bytes, uint64_t n)
{
    return (cohort_v1_Place){.offset = offset,
                             .address = cross_address(bytes),
                             .bytes = n < CROSS_PLACE_BYTES ? n : CROSS_PLACE_BYTES};
}

void cross_memory_allow_siblings(void)
{
    pid_t parent = getppid();
    if (parent > 1)                          // init's descendants are everybody
        prctl(PR_SET_PTRACER, (long)parent); // without Yama there is nothing to be allowed
}

// ---- a process ------------------------------------------------------------------------------------------

struct cross_memory *cross_memory_ref(struct cross_memory *memory)
{
    if (memory)
        atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
    return memory;
}

struct cross_memory *cross_memory_unref(struct cross_memory *memory)
{
    if (!memory || atomic_fetch_sub_explicit(&memory->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    close(memory->pidfd);
    memory_free(memory->spare);
    return memory_free(memory);
}

static bool lives(const struct cross_memory *memory)
{
    struct pollfd ended = {.fd = memory->pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) == 0;
}

enum status cross_memory_read(const struct cross_memory *memory, uint64_t address, void *to, size_t n,
                              struct error *error)
{
    size_t done = 0;
    while (done < n) {
        const struct iovec here = {(char *)to + done, n - done};
        const struct iovec there = {(void *)(uintptr_t)(address + done), n - done};
        ssize_t some = process_vm_readv(memory->pid, &here, 1, &there, 1, 0);
        if (some <= 0)
            return error_set(error, STATUS_ABORTED,
                             "cannot read %zu bytes of process %d's memory: %s; they are to be sent over the "
                             "connection",
                             n - done, (int)memory->pid, some ? strerror(errno) : "nothing is there");
        done += (size_t)some;
    }
    if (lives(memory)) // so it was that process all the while, and no other that has got its number
        return STATUS_OK;
    return error_set(error, STATUS_ABORTED, "process %d ended while its memory was read", (int)memory->pid);
}

enum status cross_memory_pass(struct cross_memory *memory, uint64_t address, uint64_t n, uint64_t offset,
                              bool (*take)(void *user, uint64_t offset, const uint8_t *bytes, size_t n),
                              void *user, struct error *error)
{
    size_t some = TILE_BYTES + VECTOR_BYTES;
    uint8_t *block = atomic_exchange(&memory->spare, NULL);
    if (!block && !(block = memory_alloc(some)))
        return error_no_memory(error, some);
    uint8_t *tile = block + (-(uintptr_t)block & (VECTOR_BYTES - 1));
    enum status status = STATUS_OK;
    for (uint64_t at = 0; at < n && status == STATUS_OK; at += some) {
        some = n - at < TILE_BYTES ? (size_t)(n - at) : TILE_BYTES;
        status = cross_memory_read(memory, address + at, tile, some, error);
        if (status == STATUS_OK && !take(user, offset + at, tile, some))
            status = error_set(error, STATUS_ABORTED, "the bytes at '%llu' were refused",
                               (unsigned long long)(offset + at));
    }
    memory_free(atomic_exchange(&memory->spare, block));
    return status;
}

static bool holds(const struct cross_memory *memory, const struct cross_token *token, uint64_t address)
{
    struct cross_token found;
    return cross_memory_read(memory, address, &found, sizeof found, NULL) == STATUS_OK &&
           memcmp(&found, token, sizeof found) == 0;
}

// The process at the other end, of this machine by the socket's nature, and of this user; 0: it is another's.
static pid_t pid_of(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) || peer.uid != geteuid() || peer.pid <= 0)
        return 0; // also where it is in a pid namespace that is not seen from here
    return peer.pid;
}

static struct cross_memory *peer_of(int fd)
{
    pid_t pid = pid_of(fd);
    struct cross_memory *memory = pid ? memory_alloc(sizeof *memory) : NULL;
    int pidfd = memory ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0)
        return memory_free(memory);
    *memory = (struct cross_memory){.pid = pid, .pidfd = pidfd};
    atomic_init(&memory->references, 1);
    atomic_init(&memory->spare, NULL);
    return memory;
}

// ---- doors ----------------------------------------------------------------------------------------------

static socklen_t name_door(const struct cross_token *token, struct sockaddr_un *ret)
{
    char name[8 + 2 * CROSS_TOKEN_BYTES + 1] = "cohort-";
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof token->bytes; i++)
        n += (size_t)snprintf(name + n, sizeof name - n, "%02x", token->bytes[i]);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX}; // a first byte of 0: no file
    memcpy(ret->sun_path + 1, name, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int go_to(const struct cross_token *token)
{
    struct sockaddr_un door;
    socklen_t bytes = name_door(token, &door);
    int fd = open_socket();
    if (fd < 0 || connect(fd, (const struct sockaddr *)&door, bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

struct cross_memory *cross_memory_knock(const struct cross_token *token, uint64_t address)
{
    int fd = go_to(token);
    if (fd < 0)
        return NULL;
    struct cross_memory *memory = peer_of(fd);
    close(fd); // it waits at the door all the same
    return memory && holds(memory, token, address) ? memory : cross_memory_unref(memory);
}

int cross_memory_line(const struct cross_memory *memory, const struct cross_token *token,
                      const struct cross_token *line)
{
    int fd = go_to(token);
    if (fd < 0 || (pid_of(fd) == memory->pid && lives(memory) &&
                   send(fd, line, sizeof *line, MSG_NOSIGNAL) == (ssize_t)sizeof *line))
        return fd;
    close(fd);
    return -1;
}

enum status cross_door_open(struct cross_door **ret, struct error *error)
{
    struct sockaddr_un name;
    struct cross_door *door = memory_zalloc(sizeof *door);
    if (!door)
        return error_no_memory(error, sizeof *door);
    door->fd = open_socket();
    enum status status = cross_token_draw(&door->token, error);
    if (status == STATUS_OK &&
        (door->fd < 0 || bind(door->fd, (const struct sockaddr *)&name, name_door(&door->token, &name)) ||
         listen(door->fd, BACKLOG)))
        status = error_errno(error, errno, "cannot open", "a socket for processes of this machine");
    if (status == STATUS_OK)
        *ret = door;
    else
        cross_door_close(door);
    return status;
}

struct cross_door *cross_door_close(struct cross_door *door)
{
    if (!door)
        return NULL;
    if (door->fd >= 0)
        close(door->fd);
    while (door->n_asked)
        close(door->asked[--door->n_asked].fd);
    cross_memory_unref(door->met);
    return memory_free(door);
}

const struct cross_token *cross_door_token(const struct cross_door *door)
{
    return &door->token;
}

void cross_door_show(const struct cross_door *door, pb_size_t *ret_n, uint8_t *ret_token)
{
    *ret_n = sizeof door->token;
    memcpy(ret_token, &door->token, sizeof door->token);
}

static void forget_asked(struct cross_door *door, size_t i)
{
    for (door->n_asked--; i < door->n_asked; i++)
        door->asked[i] = door->asked[i + 1];
}

// Keeps a line until it is asked for by its token; the oldest goes where there are too many.
static void keep_asked(struct cross_door *door, const struct asked *asked)
{
    if (door->n_asked == sizeof door->asked / sizeof door->asked[0]) {
        close(door->asked[0].fd);
        forget_asked(door, 0);
    }
    door->asked[door->n_asked++] = *asked;
}

// Lets in all who wait: those who ask for a line, and those who only want to be seen, one of whom may be the
// one in whose memory `token` lies at `address`.
static void let_in(struct cross_door *door, const struct cross_token *token, uint64_t address)
{
    int fd;
    while ((fd = accept(door->fd, NULL, NULL)) >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        struct asked asked = {.fd = fd, .pid = pid_of(fd)};
        if (asked.pid && recv(fd, &asked.token, sizeof asked.token, MSG_DONTWAIT) == sizeof asked.token) {
            keep_asked(door, &asked);
            continue;
        }
        struct cross_memory *memory = peer_of(fd);
        close(fd);
        if (memory && holds(memory, token, address)) {
            cross_memory_unref(door->met);
            door->met = memory;
        } else {
            cross_memory_unref(memory);
        }
    }
}

struct cross_memory *cross_door_meet(struct cross_door *door, const struct cross_token *token,
                                     uint64_t address)
{
    let_in(door, token, address);
    bool known = door->met && holds(door->met, token, address);
    return known ? cross_memory_ref(door->met) : NULL;
}

int cross_door_line(struct cross_door *door, const struct cross_memory *met, const struct cross_token *line)
{
    for (size_t i = 0; i < door->n_asked; i++) {
        const struct asked asked = door->asked[i];
        if (asked.pid != met->pid || memcmp(&asked.token, line, sizeof *line) != 0)
            continue;
        forget_asked(door, i);
        return asked.fd;
    }
    return -1;
}
