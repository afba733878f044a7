#include "rpc/cross_line.h"
#include "base/memory.h"
#include "rpc/rpc_impl.h"
#include <errno.h>
#include <pb_encode.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// Room for some messages that the other end has not read yet, as far as the system grants it.
enum { ROOM_BYTES = 1 << 20 };

// So many messages may be left at a line's end; its room holds fewer, unless somebody goes on sending.
enum { LEFT_MAX = 4096 };

struct cross_line {
    struct cross_line *next;
    struct cross_lines *lines;
    int fd;
    void (*message)(void *user, const uint8_t *bytes, size_t n);
    void *user;
    bool busy; // a thread hears it; under the lines' lock
};

struct cross_lines {
    int poll, stop;       // epoll's; an eventfd that ends the threads
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t heard; // some line is busy no more
    struct cross_line *first;
    size_t n_threads; // that were started
    pthread_t threads[];
};

// ---- the threads ----------------------------------------------------------------------------------------

// Whether the line is still listened on; then it is this thread's for a message.
static bool take(struct cross_lines *lines, struct cross_line *line)
{
    pthread_mutex_lock(&lines->lock);
    struct cross_line *there = lines->first;
    while (there && there != line)
        there = there->next;
    if (there)
        there->busy = true;
    pthread_mutex_unlock(&lines->lock);
    return there != NULL;
}

static void give(struct cross_lines *lines, struct cross_line *line, bool ended)
{
    struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = line};
    pthread_mutex_lock(&lines->lock);
    line->busy = false;
    if (!ended)
        epoll_ctl(lines->poll, EPOLL_CTL_MOD, line->fd, &again); // fails when it is being freed
    pthread_cond_broadcast(&lines->heard);
    pthread_mutex_unlock(&lines->lock);
}

enum heard { HEARD_MESSAGE, HEARD_NOTHING, HEARD_END };

static enum heard hear(const struct cross_line *line, uint8_t *buffer, size_t room)
{
    ssize_t n = recv(line->fd, buffer, room, MSG_DONTWAIT | MSG_TRUNC);
    if (n > 0 && n <= CROSS_LINE_BYTES_MAX) {
        line->message(line->user, buffer, (size_t)n);
        return HEARD_MESSAGE;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? HEARD_NOTHING : HEARD_END;
}

static void *listen_on(void *argument)
{
    struct cross_lines *lines = argument;
    uint8_t buffer[CROSS_LINE_BYTES_MAX];
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(lines->poll, &event, 1, -1) < 1)
            continue;
        struct cross_line *line = event.data.ptr;
        if (!line)
            return NULL;
        // At its end the other side is gone, or says what is no message: the call tells, or who sends finds
        // out.
        if (take(lines, line))
            give(lines, line, hear(line, buffer, sizeof buffer) == HEARD_END);
    }
}

// ---- lines ----------------------------------------------------------------------------------------------

static enum status start(struct cross_lines *lines, size_t n_threads, struct error *error)
{
    sigset_t all, before;
    struct epoll_event stop = {.events = EPOLLIN}; // stays readable: every thread sees it
    lines->poll = epoll_create1(EPOLL_CLOEXEC);
    lines->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lines->poll < 0 || lines->stop < 0 || epoll_ctl(lines->poll, EPOLL_CTL_ADD, lines->stop, &stop))
        return error_errno(error, errno, "cannot listen on", "sockets of this machine");
    sigfillset(&all); // signals are for the program's own threads
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (lines->n_threads < n_threads && !failed) {
        failed = pthread_create(&lines->threads[lines->n_threads], NULL, listen_on, lines);
        if (!failed)
            pthread_setname_np(lines->threads[lines->n_threads++], "lines");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return lines->n_threads
               ? STATUS_OK
               : error_errno(error, failed, "cannot start a thread for", "sockets of this machine");
}

enum status cross_lines_new(struct cross_lines **ret, size_t n_threads, struct error *error)
{
    size_t bytes = sizeof(struct cross_lines) + n_threads * sizeof(pthread_t);
    struct cross_lines *lines = memory_zalloc(bytes);
    if (!lines)
        return error_no_memory(error, bytes);
    pthread_mutex_init(&lines->lock, NULL);
    pthread_cond_init(&lines->heard, NULL);
    enum status status = start(lines, n_threads, error);
    if (status == STATUS_OK)
        *ret = lines;
    else
        cross_lines_free(lines);
    return status;
}

struct cross_lines *cross_lines_free(struct cross_lines *lines)
{
    if (!lines)
        return NULL;
    if (lines->n_threads)
        eventfd_write(lines->stop, 1);
    for (size_t i = 0; i < lines->n_threads; i++)
        pthread_join(lines->threads[i], NULL);
    if (lines->poll >= 0)
        close(lines->poll);
    if (lines->stop >= 0)
        close(lines->stop);
    pthread_cond_destroy(&lines->heard);
    pthread_mutex_destroy(&lines->lock);
    return memory_free(lines);
}

enum status cross_line_new(struct cross_line **ret, struct cross_lines *lines, int fd,
                           void (*message)(void *user, const uint8_t *bytes, size_t n), void *user,
                           struct error *error)
{
    const int room = ROOM_BYTES;
    struct cross_line *line = memory_zalloc(sizeof *line);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = line};
    if (!line) {
        close(fd);
        return error_no_memory(error, sizeof *line);
    }
    *line = (struct cross_line){.lines = lines, .fd = fd, .message = message, .user = user};
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room); // as much as may be
    pthread_mutex_lock(&lines->lock);
    line->next = lines->first;
    lines->first = line;
    *ret = line; // before the first callback
    int failed = epoll_ctl(lines->poll, EPOLL_CTL_ADD, fd, &event) ? errno : 0;
    pthread_mutex_unlock(&lines->lock);
    if (!failed)
        return STATUS_OK;
    *ret = cross_line_free(line);
    return error_errno(error, failed, "cannot listen on", "a socket of this machine");
}

struct cross_line *cross_line_free(struct cross_line *line)
{
    if (!line)
        return NULL;
    struct cross_lines *lines = line->lines;
    struct cross_line **link = &lines->first;
    pthread_mutex_lock(&lines->lock);
    while (*link != line)
        link = &(*link)->next;
    *link = line->next;
    epoll_ctl(lines->poll, EPOLL_CTL_DEL, line->fd, NULL);
    while (line->busy)
        pthread_cond_wait(&lines->heard, &lines->lock);
    pthread_mutex_unlock(&lines->lock);
    uint8_t buffer[CROSS_LINE_BYTES_MAX];
    for (int i = 0; i < LEFT_MAX && hear(line, buffer, sizeof buffer) == HEARD_MESSAGE; i++)
        ;
    close(line->fd);
    return memory_free(line);
}

// ---- sending --------------------------------------------------------------------------------------------

static enum status too_large(size_t n, struct error *error)
{
    return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                     "a message of %zu bytes is over the %d of a line; send it over the connection", n,
                     CROSS_LINE_BYTES_MAX);
}

static enum status send_bytes(const struct cross_line *line, const uint8_t *bytes, size_t n,
                              struct error *error)
{
    if (n > CROSS_LINE_BYTES_MAX)
        return too_large(n, error);
    if (send(line->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
        return STATUS_OK;
    return error_set(error, STATUS_UNAVAILABLE, "the other end of a line does not read: %s", strerror(errno));
}

enum status cross_line_send(struct cross_line *line, const pb_msgdesc_t *fields, const void *message,
                            struct error *error)
{
    uint8_t bytes[CROSS_LINE_BYTES_MAX];
    size_t n;
    if (!pb_get_encoded_size(&n, fields, message))
        return error_set(error, STATUS_INTERNAL, "a message cannot be encoded");
    if (n > sizeof bytes)
        return too_large(n, error);
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    if (!pb_encode(&stream, fields, message))
        return error_set(error, STATUS_INTERNAL, "a message cannot be encoded: %s", PB_GET_ERROR(&stream));
    return send_bytes(line, bytes, n, error);
}

enum status cross_line_send_shared(struct cross_line *line, const struct rpc_encoded *encoded,
                                   struct error *error)
{
    const grpc_slice *slice = &encoded->buffer->data.raw.slice_buffer.slices[0]; // message_encode makes one
    return send_bytes(line, GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice), error);
}
