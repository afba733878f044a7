// Lines between two processes of one machine that have met (rpc/cross_memory.h): sockets of the system on
// which small messages go past gRPC, whole and in order, each way. A message costs two system calls and a
// wake-up, where on a connection the windows that it opens cost as much again. The call stays beside the
// line: it carries what is too large, and tells when the other end is gone.
#pragma once

#include "base/error.h"
#include "rpc/cross_memory.h"
#include "rpc/rpc.h"

enum { CROSS_LINE_BYTES_MAX = 64 << 10 }; // of a message

// Threads, and the lines that they listen on.
struct cross_lines;
enum status cross_lines_new(struct cross_lines **ret, size_t n_threads, struct error *error);
struct cross_lines *cross_lines_free(struct cross_lines *lines); // they must have been freed; takes NULL too

struct cross_line;

// Listens on a socket (taken in every case) from cross_door_line or cross_memory_line. `message` is called on
// one of the threads, for one message after the other; `bytes` are valid during the call.
enum status cross_line_new(struct cross_line **ret, struct cross_lines *lines, int fd,
                           void (*message)(void *user, const uint8_t *bytes, size_t n), void *user,
                           struct error *error);
// What has come so far is still heard, on the caller's thread, and waits for the message that is being heard:
// so not from within `message`, nor with a lock held that it takes. Takes NULL too.
struct cross_line *cross_line_free(struct cross_line *line);

// From any thread. RESOURCE_EXHAUSTED for a message that is too large: nothing was sent. UNAVAILABLE: the
// other end is gone, or has left so much unread that it does not read: the line is of no use any more.
enum status cross_line_send(struct cross_line *line, const pb_msgdesc_t *fields, const void *message,
                            struct error *error);
enum status cross_line_send_shared(struct cross_line *line, const struct rpc_encoded *encoded,
                                   struct error *error);
