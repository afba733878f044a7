// What a call has yet to send, bounded.
#include "base/memory.h"
#include "rpc/call_impl.h"

// What a small message costs beside its bytes, so that many of them are bounded too.
enum { ITEM_OVERHEAD_BYTES = 256 };

struct send_item *send_item_new(grpc_byte_buffer *buffer, bool is_chunk)
{
    struct send_item *item = memory_zalloc(sizeof *item);
    if (!item)
        return NULL;
    item->buffer = buffer;
    item->is_chunk = is_chunk;
    item->bytes = is_chunk ? 0 : grpc_byte_buffer_length(buffer) + ITEM_OVERHEAD_BYTES;
    return item;
}

void send_item_free(struct send_item *item)
{
    if (!item)
        return;
    grpc_byte_buffer_destroy(item->buffer);
    memory_free(item);
}

enum status send_queue_add(struct send_queue *queue, struct send_item *item, struct error *error)
{
    if (item->is_chunk && queue->has_chunk)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "a chunk is queued already; send the next when the call is writable");
    // A message larger than the whole queue still goes when it is alone.
    if (!item->is_chunk && queue->bytes > 0 && queue->bytes + item->bytes > RPC_QUEUE_BYTES_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "the peer reads too slowly: %zu bytes wait to be sent; drop it or send less",
                         queue->bytes);
    queue->bytes += item->bytes;
    queue->has_chunk |= item->is_chunk;
    if (queue->last)
        queue->last->next = item;
    else
        queue->first = item;
    queue->last = item;
    return STATUS_OK;
}

struct send_item *send_queue_pop(struct send_queue *queue)
{
    struct send_item *item = queue->first;
    if (!item)
        return NULL;
    queue->first = item->next;
    if (!queue->first)
        queue->last = NULL;
    item->next = NULL;
    return item;
}

void send_queue_done(struct send_queue *queue, const struct send_item *item)
{
    queue->bytes -= item->bytes;
    if (item->is_chunk)
        queue->has_chunk = false;
}

struct send_queue send_queue_take(struct send_queue *queue)
{
    struct send_queue taken = *queue;
    for (const struct send_item *item = taken.first; item; item = item->next)
        send_queue_done(queue, item); // what is in flight stays counted
    queue->first = queue->last = NULL;
    return taken;
}

void send_queue_release(struct send_queue *queue)
{
    struct send_item *item;
    while ((item = send_queue_pop(queue)))
        send_item_free(item);
    *queue = SEND_QUEUE_INIT;
}
