// Remote calls over gRPC, without a gRPC type in sight. Messages are nanopb structs; parameters travel as
// chunks whose bytes are never copied on the way out and are handed over in place on the way in.
//
// Threads: a runtime has one queue thread or more. A call belongs to one of them for life, so its callbacks
// never run two at once and always on that thread. They must not block: long work goes to a pool. Every other
// function may be called from any thread.
#pragma once

#include "base/error.h"
#include <pb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_runtime;
struct rpc_server;
struct rpc_channel;
struct rpc_call;
struct rpc_message;

enum { RPC_CHUNK_BYTES = 1 << 20, RPC_MESSAGE_BYTES_MAX = 8 << 20, RPC_QUEUE_BYTES_MAX = 4 << 20 };

// ---- runtime --------------------------------------------------------------------------------------------

// Starts gRPC and `n_threads` queue threads. One a process; never fork afterwards (spawn instead).
enum status rpc_runtime_new(struct rpc_runtime **ret, size_t n_threads, struct error *error);
// Whether receive windows grow with the bandwidth that is probed (the default). Off, a connection receives
// about 1 MiB a round trip: faster and of bounded memory on one machine or a fast local network, ruinous from
// some milliseconds on. Before servers and channels are made.
void rpc_runtime_set_window_probe(struct rpc_runtime *runtime, bool probe);
// Ends the threads. Servers and channels must have been freed, calls closed.
struct rpc_runtime *rpc_runtime_free(struct rpc_runtime *runtime);

// ---- calls, seen from either side -----------------------------------------------------------------------

// What happens to a call. `closed` is always the last, and comes exactly once; after it the call's user data
// is free to go. Any callback but `closed` may be NULL.
struct rpc_events {
    // A message arrived; it is valid during the callback only. The next comes after rpc_call_receive.
    void (*message)(struct rpc_call *call, struct rpc_message *message, void *user);
    // The peer will send no more (server side: the client half-closed).
    void (*ended)(struct rpc_call *call, void *user);
    // Everything that was queued for sending has been handed to the transport. Not after rpc_call_end or
    // rpc_call_finish.
    void (*writable)(struct rpc_call *call, void *user);
    // The call is over. Client side: the server's status and message, once every message before it has been
    // asked for. Server side: OK when the reply was sent, CANCELLED when the peer went away or gave up first.
    void (*closed)(struct rpc_call *call, enum status status, const char *message, void *user);
};

// Keeps the handle valid beyond `closed`: sends then fail with CANCELLED instead of crashing.
struct rpc_call *rpc_call_ref(struct rpc_call *call);
struct rpc_call *rpc_call_unref(struct rpc_call *call); // returns NULL

// Asks for one more message. At most one request is outstanding.
void rpc_call_receive(struct rpc_call *call);

// Queues one message: encoded at once, so `message` may go right after. RESOURCE_EXHAUSTED when the peer
// reads so slowly that RPC_QUEUE_BYTES_MAX are waiting, CANCELLED when the call is over.
enum status rpc_call_send(struct rpc_call *call, const pb_msgdesc_t *fields, const void *message,
                          struct error *error);

// The same for a message that was encoded before: bytes [n], copied.
enum status rpc_call_send_encoded(struct rpc_call *call, const void *bytes, size_t n, struct error *error);

// A message that was encoded once, to be sent on any number of calls, which share its bytes.
struct rpc_encoded;
enum status rpc_encoded_new(struct rpc_encoded **ret, const pb_msgdesc_t *fields, const void *message,
                            struct error *error);
struct rpc_encoded *rpc_encoded_free(struct rpc_encoded *encoded); // NULL is fine; those under way are sent
// As rpc_call_send.
enum status rpc_call_send_shared(struct rpc_call *call, const struct rpc_encoded *encoded,
                                 struct error *error);

// Queues one chunk (lib/rpc/chunks.c: field 2 `offset`, field 15 `data`) whose bytes stay where they are:
// they must not change until `release(user)` is called, exactly once, from any thread, also when this returns
// an error. At most one chunk is queued at a time: send the next from `writable`.
enum status rpc_call_send_chunk(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes,
                                void (*release)(void *user), void *user, struct error *error);

// Client: no more messages from this side. After what is queued.
void rpc_call_end(struct rpc_call *call);
// Server: ends the call with a status after what is queued; for a unary call, send the response first. Once.
void rpc_call_finish(struct rpc_call *call, enum status status, const char *message);
// Either side: gives the call up at once; `closed` follows.
void rpc_call_cancel(struct rpc_call *call);

// The user data given at opening, or set since by the server's handler.
void *rpc_call_user(struct rpc_call *call);
void rpc_call_set_events(struct rpc_call *call, const struct rpc_events *events, void *user);
// The peer's address as gRPC says it, "ipv4:127.0.0.1:41234".
const char *rpc_call_peer(const struct rpc_call *call);
// Bytes that its connection has moved so far, for all its calls, as far as the other end has them: a server's
// call, of a process that bounds connections (rpc/accept.h). False when nobody knows.
bool rpc_call_moved_bytes(const struct rpc_call *call, uint64_t *ret);
// Whom quotas count a server's call to: "learner site-a", or without identities its host, which for IPv6 is
// the /64 network.
struct rpc_peer {
    char name[80];
    bool own; // this machine, without an identity
};
void rpc_call_quota_peer(const struct rpc_call *call, struct rpc_peer *ret);

// ---- received messages ----------------------------------------------------------------------------------

// Decodes into `ret` (fields set by callback are the caller's). INVALID_ARGUMENT for bytes that are not such
// a message.
enum status rpc_message_decode(struct rpc_message *message, const pb_msgdesc_t *fields, void *ret,
                               struct error *error);

// The same of bytes [n] that came another way (rpc/cross_line.h).
enum status rpc_bytes_decode(const uint8_t *bytes, size_t n, const pb_msgdesc_t *fields, void *ret,
                             struct error *error);

// Decodes a message that may hold a chunk: fields other than 2 and 15 go into `ret` by `fields` (may be NULL:
// they are then refused), and the data's bytes are handed to `take` in place, in order, run by run; runs of
// whole floats except where a slice ends inside one (then the float's bytes come as a run of 4 of their own),
// counted from the data's start; only the last run may end with 1 to 3 bytes more. Runs are not aligned in
// memory. All is checked before the first byte is handed over: the offset must come before the data, and data
// at most once. `take` returning false stops with ABORTED.
struct rpc_chunk {
    bool present; // the message has data
    uint64_t offset;
    uint64_t bytes;
};
enum status rpc_message_decode_chunk(struct rpc_message *message, const pb_msgdesc_t *fields, void *ret,
                                     struct rpc_chunk *ret_chunk,
                                     bool (*take)(void *user, uint64_t offset, const uint8_t *run,
                                                  size_t bytes),
                                     void *user, struct error *error);
size_t rpc_message_bytes(const struct rpc_message *message);

// ---- server ---------------------------------------------------------------------------------------------

// A method of a service: a row in its file's table, closed by an empty one.
struct rpc_method {
    const char *path; // "/cohort.v1.Exchange/Attend"
    // Unary: the request is decoded into `request_bytes` (owned by the call: until it is closed and the last
    // reference is gone), then `unary` is called; it (or whoever it hands the call to) answers with
    // rpc_call_reply or rpc_call_fail, once.
    const pb_msgdesc_t *request_fields;
    size_t request_bytes;
    void (*unary)(struct rpc_call *call, void *service, const void *request);
    // Streaming in either direction: called as the call arrives, before any message; sets the events and asks
    // for the first message.
    void (*open)(struct rpc_call *call, void *service);
};

struct rpc_service {
    const char *name;                 // "cohort.v1.Exchange"; health and reflection report it
    const struct rpc_method *methods; // outlive the server, as does the name
    void *self;                       // handed to every method
};

void rpc_call_reply(struct rpc_call *call, const pb_msgdesc_t *fields, const void *response);
void rpc_call_fail(struct rpc_call *call, const struct error *error);

struct rpc_server_options {
    const struct rpc_service *services; // n_services; health and reflection come by themselves
    size_t n_services;
    int64_t max_streams; // of a connection at once, beyond which its callers wait; 0: any number
    // Memory for what has been received and not been taken yet, in all: near it windows shrink, and beyond it
    // calls are broken off, RESOURCE_EXHAUSTED, the first at hand. 0: half of what the process may use.
    int64_t max_received_bytes;
    // Of one host, however many connections it has: calls under way, and bytes of answers that it has not
    // read yet, beyond which its new calls are refused, RESOURCE_EXHAUSTED; 0: any number.
    int64_t max_calls_a_host, max_unread_a_host;
    // Calls that one peer may make in a second, to Exchange and to all others but Health: a peer is an
    // identity, or without TLS a host. RESOURCE_EXHAUSTED beyond; 0: any number.
    int64_t calls_a_second, exchanges_a_second;
    // Calls whose peers have read nothing for so long although something waits for them are cut off; 0: none.
    // So are, within a second or this / 16, those whose certificates have been revoked.
    int64_t stalled_ms;
};

enum rpc_quota {
    RPC_QUOTA_CALLS_A_HOST,
    RPC_QUOTA_UNREAD_A_HOST,
    RPC_QUOTA_CALLS_A_SECOND,
    RPC_QUOTA_EXCHANGES_A_SECOND,
    RPC_QUOTAS
};

enum status rpc_server_new(struct rpc_server **ret, struct rpc_runtime *runtime,
                           const struct rpc_server_options *options, struct error *error);
// Adds a port: "127.0.0.1:7070", "[::]:7070", "127.0.0.1:0" for any, "unix:/path". ALREADY_EXISTS when the
// port is in use, with what to do; the socket file of a server that is dead is taken over. Before the start.
// `ret_port` may be NULL; 0 for a socket.
enum status rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port,
                              struct error *error);
enum status rpc_server_start(struct rpc_server *server, struct error *error);
// What health checks answer from now on; starts as serving.
void rpc_server_set_serving(struct rpc_server *server, bool serving);
// Calls that were refused for this reason, since the start.
unsigned long rpc_server_n_refused(const struct rpc_server *server, enum rpc_quota which);
// Refuses new calls, gives those under way `grace_ms`, cancels the rest, waits for the end and frees. Not
// from a queue thread.
struct rpc_server *rpc_server_free(struct rpc_server *server, int64_t grace_ms);

// ---- client ---------------------------------------------------------------------------------------------

// A connection to `address` that is made when first used and again when lost (gRPC's backoff, with jitter).
enum status rpc_channel_new(struct rpc_channel **ret, struct rpc_runtime *runtime, const char *address,
                            struct error *error);
struct rpc_channel *rpc_channel_free(struct rpc_channel *channel);

// Starts a call; nothing is sent until the first message. timeout_ms 0: none. `wait` keeps it waiting for the
// connection instead of failing with UNAVAILABLE. The handle is the caller's until rpc_call_unref.
enum status rpc_call_start(struct rpc_call **ret, struct rpc_channel *channel, const char *path,
                           int64_t timeout_ms, bool wait, const struct rpc_events *events, void *user,
                           struct error *error);

// One request and one response, waited for. Not from a queue thread.
enum status rpc_unary(struct rpc_channel *channel, const char *path, int64_t timeout_ms,
                      const pb_msgdesc_t *request_fields, const void *request,
                      const pb_msgdesc_t *response_fields, void *response, struct error *error);

// OK when the server at `address` answers grpc.health.v1 as serving `service` ("" for the whole).
enum status rpc_health_check(struct rpc_runtime *runtime, const char *address, const char *service,
                             int64_t timeout_ms, struct error *error);
