// A call's inside, shared by the machine (call.c), its queue (send_queue.c) and what users call (call_api.c).
#pragma once

#include "rpc/rpc_impl.h"

struct send_item {
    struct send_item *next;
    grpc_byte_buffer *buffer; // owned
    size_t bytes; // counted against RPC_QUEUE_BYTES_MAX; 0 for a chunk, of which there is one at most
    bool is_chunk;
};

// Messages that wait for their turn, and the count of those that gRPC has not taken yet.
struct send_queue {
    struct send_item *first, *last;
    size_t bytes;
    bool has_chunk;
};

#define SEND_QUEUE_INIT ((struct send_queue){0})

// Adds a buffer (taken when OK). RESOURCE_EXHAUSTED when full, FAILED_PRECONDITION for a second chunk.
enum status send_queue_add(struct send_queue *queue, struct send_item *item, struct error *error);
struct send_item *send_queue_pop(struct send_queue *queue);                   // stays counted
void send_queue_done(struct send_queue *queue, const struct send_item *item); // counted no more
struct send_queue send_queue_take(struct send_queue *queue);                  // all of it, leaving it empty
void send_queue_release(struct send_queue *queue);
struct send_item *send_item_new(grpc_byte_buffer *buffer, bool is_chunk); // takes the buffer; NULL: no memory
void send_item_free(struct send_item *item);

enum call_state { CALL_OPEN, CALL_OVER, CALL_CLOSED };

struct rpc_call {
    atomic_size_t refs;
    bool server_side;
    bool wait;
    int64_t timeout_ms;
    struct rpc_channel *channel;
    char *path;                // client side
    struct security *security; // server side, as is what follows; NULL: nobody is asked
    struct identity identity;
    const char *served_path;
    struct share *share;
    struct rpc_call *next, **link; // of the server's calls, under its lock
    grpc_metadata shown;           // client side: the join token
    void (*over)(struct rpc_call *call, void *context);
    void *context;

    pthread_mutex_t lock; // guards everything up to the next blank line
    enum call_state state;
    bool begun;
    bool pumping;
    size_t n_under_way;
    grpc_call *grpc; // NULL once closed
    const struct rpc_events *events;
    void *user;
    char *peer;
    bool wants_message, wants_end, wants_cancel;
    bool receiving, sending, sending_end, send_failed, metadata_sent, status_sent;
    struct send_queue queue;
    struct send_item *sending_item;
    int64_t sending_since_ms;
    enum status finish_status;
    char *finish_message;

    // gRPC writes these while a tag is under way; read on the queue's thread when it is back.
    struct rpc_tag over_tag, receive_tag, send_tag;
    grpc_byte_buffer *received;
    grpc_metadata_array metadata, trailing;
    grpc_status_code status;
    grpc_slice details;
    int cancelled;
    atomic_bool refused;

    // Server side: set before the handler sees the call.
    const pb_msgdesc_t *request_fields;
    void *request;
};

void call_pump(struct rpc_call *call);
// The queue held `before` bytes, and holds what it holds now.
void call_account(struct rpc_call *call, size_t before);
