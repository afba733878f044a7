// What the files of lib/rpc share, and the only header in which gRPC's types are seen.
//
// Shutdown has one order: a server refuses, drains, cancels and awaits its tag (server.c); then the runtime's
// queues are shut down, drained to their last event and destroyed (runtime.c).
#pragma once

#include "rpc/rpc.h"
#include "rpc/security.h"
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

// What comes back from a queue: one embedded struct for each thing that can be under way.
struct rpc_tag {
    void (*run)(struct rpc_tag *tag, bool ok); // on the queue's thread
};

// gRPC's own synchronisation orders what happened before a tag was handed to it and after it came back.
// ThreadSanitizer cannot see that in a library that is not instrumented, so it is told.
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define tag_leaves(tag)  __tsan_release(tag)
#define tag_is_back(tag) __tsan_acquire(tag)
#else
#define tag_leaves(tag)  ((void)(tag))
#define tag_is_back(tag) ((void)(tag))
#endif

// ---- runtime.c

bool runtime_window_probe(const struct rpc_runtime *runtime);
size_t runtime_n_queues(const struct rpc_runtime *runtime);
grpc_completion_queue *runtime_queue(struct rpc_runtime *runtime, size_t index);
grpc_completion_queue *runtime_next_queue(struct rpc_runtime *runtime); // round robin
bool runtime_is_queue_thread(const struct rpc_runtime *runtime);

// ---- address.c

// `address` as gRPC's client wants it: numeric addresses must not wait for a name service.
enum status address_target(char **ret, const char *address, struct error *error);
// Readies `address` for listening: removes the socket file that a dead server left behind. ALREADY_EXISTS
// when a live one listens there.
enum status address_prepare(const char *address, struct error *error);
// Says why listening on `address` failed, by trying it.
enum status address_explain(const char *address, struct error *error);
// Whether only this machine reaches it.
bool address_is_local(const char *address);
// Reads "ipv4:10.0.0.1:4711" or "ipv6:%5B2001:db8::1%5D:4711", as gRPC says who a peer is; IPv4 in IPv6's
// form. False for a socket file.
bool address_of_peer(const char *peer, struct in6_addr *ret, uint16_t *ret_port);

// ---- credentials.c: where TLS goes

struct security; // guard.h

grpc_channel_credentials *credentials_for_channel(struct security *security);
grpc_server_credentials *credentials_for_server(struct security *security);

// ---- message.c

struct rpc_message {
    grpc_byte_buffer *buffer;
};

struct rpc_encoded {
    grpc_byte_buffer *buffer;
};

// A place in a message's slices.
struct slice_cursor {
    const grpc_slice *slices;
    size_t n_slices;
    size_t index;
    size_t position; // in slices[index]
};

struct slice_cursor message_cursor(const struct rpc_message *message);
pb_istream_t message_stream(const struct rpc_message *message, struct slice_cursor *cursor);
// The longest run of bytes at the cursor, at most `limit` (which are there), in place; moves on.
const uint8_t *cursor_run(struct slice_cursor *cursor, size_t limit, size_t *ret_bytes);
void cursor_skip(struct slice_cursor *cursor, size_t bytes);
// Encodes into a fresh buffer.
enum status message_encode(grpc_byte_buffer **ret, const pb_msgdesc_t *fields, const void *message,
                           struct error *error);
enum status message_malformed(const char *why, struct error *error);

// ---- chunks.c

grpc_byte_buffer *chunk_encode(uint64_t offset, const void *data, size_t bytes, void (*release)(void *user),
                               void *user);

// ---- call.c

// What calls of one host, or of a few that share it, have under way, and when a peer's calls of before are
// forgotten (quota.c).
struct share {
    atomic_size_t n_calls, unread_bytes;
    _Atomic int64_t calls_until_ns, exchanges_until_ns;
};

struct call_start {
    grpc_call *grpc; // taken
    bool server_side;
    const struct rpc_events *events;
    void *user;
    struct rpc_channel *channel; // client side: a reference is taken
    int64_t timeout_ms;
    const char *path;
    struct security *security; // server side: who asks; NULL: nobody is asked
    struct identity identity;
    struct share *share; // server side: outlives the call
    bool wait;
    void (*over)(struct rpc_call *call, void *context); // after `closed`, before the last reference goes
    void *context;
};

// Makes the call; NULL when out of memory (`grpc` is then the caller's still). Nothing happens before
// call_begin.
struct rpc_call *call_new(const struct call_start *start);
void call_begin(struct rpc_call *call);
// Queues a message and the end of this side in one step, so that they travel together.
enum status call_send_last(struct rpc_call *call, const pb_msgdesc_t *fields, const void *message,
                           struct error *error);
// A decoded request that goes when the call does.
void call_own_request(struct rpc_call *call, const pb_msgdesc_t *fields, void *request);
void *call_context(const struct rpc_call *call);
// How long the first message that waits to be sent has waited; 0: none does. Chunks, which take their time on
// a slow line, are their handlers' to watch.
int64_t call_stalled_ms(struct rpc_call *call, int64_t now_ms);
// Whether the certificate that it came with is good no more by now.
bool call_is_revoked(struct rpc_call *call);
// A server's list of its calls, which are linked in place.
void calls_add(struct rpc_call **list, struct rpc_call *call);
void calls_remove(struct rpc_call *call);
struct rpc_call *calls_next(const struct rpc_call *call);

// ---- channel.c

void channel_ref(struct rpc_channel *channel);
void channel_unref(struct rpc_channel *channel);
const char *channel_token(const struct rpc_channel *channel); // "Bearer ..." or NULL
const char *channel_address(const struct rpc_channel *channel);
struct rpc_runtime *channel_runtime(const struct rpc_channel *channel);
// What a client is told when a call ends with gRPC's own words: names the address and what to do.
char *channel_explain(const struct rpc_channel *channel, enum status status, const char *path,
                      int64_t timeout_ms, const char *details);

// ---- health.c and reflection.c: the services that every server has

struct health;
enum status health_new(struct health **ret, const struct rpc_service *services, size_t n_services,
                       struct error *error);
struct health *health_free(struct health *health);
void health_set(struct health *health, bool serving);
// Ends every watch: a server that stops does not wait for its watchers.
void health_stop(struct health *health);
extern const struct rpc_method health_methods[];

struct reflection {
    const struct rpc_service *services; // n_services, the server's own list
    size_t n_services;
};
extern const struct rpc_method reflection_v1_methods[];
extern const struct rpc_method reflection_v1alpha_methods[];

// ---- descriptors.c: the files of protos/, as protoc described them

struct descriptor_file {
    const uint8_t *bytes; // a FileDescriptorProto
    size_t n;
};
bool descriptor_by_name(const char *name, size_t n, struct descriptor_file *ret);
bool descriptor_by_symbol(const char *symbol, struct descriptor_file *ret);
// Calls `visit` with the name of each file that `file` imports.
void descriptor_imports(const struct descriptor_file *file,
                        void (*visit)(void *user, const char *name, size_t n), void *user);
