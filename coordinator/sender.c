#include "coordinator/sender.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cohort/v1/exchange.pb.h"
#include "rpc/cross_memory.h"
#include "rpc/pace.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct sender {
    struct version *version; // or
    struct coded **parts;    // [n_parts], or
    unsigned int n_parts;
    int fd; // a file
    bool as_file;
    bool in_place;
    bool ended;
    uint64_t offset, total, sent;
    struct pace pace;
};

static size_t next_chunk(struct sender *sender, uint64_t left)
{
    return pace_next(&sender->pace, left, clock_monotonic_ms());
}

static enum status check_offset(struct sender *sender, struct error *error)
{
    if (sender->offset <= sender->total) {
        pace_begin(&sender->pace, sender->total - sender->offset, sender->offset > 0);
        return STATUS_OK;
    }
    return error_set(error, STATUS_OUT_OF_RANGE, "offset %llu is past the model's %llu bytes; start from 0",
                     (unsigned long long)sender->offset, (unsigned long long)sender->total);
}

enum status sender_of_version(struct sender **ret, struct version *version_take, bool as_file,
                              uint64_t offset, struct error *error)
{
    struct sender *sender = memory_zalloc(sizeof *sender);
    if (!sender) {
        version_unref(version_take);
        return error_no_memory(error, sizeof *sender);
    }
    *sender = (struct sender){.version = version_take, .fd = -1, .as_file = as_file, .offset = offset};
    sender->total = as_file ? version_take->header.n + version_take->n_model * sizeof(float)
                            : version_take->n_shared * sizeof(float);
    enum status status = check_offset(sender, error);
    if (status != STATUS_OK)
        sender_free(sender);
    else
        *ret = sender;
    return status;
}

enum status sender_of_parts(struct sender **ret, const struct coded_parts *parts, uint64_t offset,
                            struct error *error)
{
    struct sender *sender = memory_zalloc(sizeof *sender);
    struct coded **mine = memory_array(parts->n, sizeof *mine);
    if (!sender || !mine) {
        memory_free(sender);
        memory_free(mine);
        return error_no_memory(error, sizeof *sender);
    }
    *sender = (struct sender){
        .parts = mine, .n_parts = parts->n, .fd = -1, .offset = offset, .total = parts->bytes};
    for (unsigned int i = 0; i < parts->n; i++)
        mine[i] = coded_ref(parts->parts[i]);
    enum status status = check_offset(sender, error);
    if (status != STATUS_OK)
        sender_free(sender);
    else
        *ret = sender;
    return status;
}

enum status sender_of_file(struct sender **ret, int fd_take, uint64_t offset, struct error *error)
{
    struct sender *sender = memory_zalloc(sizeof *sender);
    struct stat info;
    if (!sender || fstat(fd_take, &info)) {
        close(fd_take);
        memory_free(sender);
        return error_no_memory(error, sizeof *sender);
    }
    *sender =
        (struct sender){.fd = fd_take, .as_file = true, .offset = offset, .total = (uint64_t)info.st_size};
    enum status status = check_offset(sender, error);
    if (status != STATUS_OK)
        sender_free(sender);
    else
        *ret = sender;
    return status;
}

struct sender *sender_free(struct sender *sender)
{
    if (!sender)
        return NULL;
    version_unref(sender->version);
    for (unsigned int i = 0; i < sender->n_parts; i++)
        coded_unref(sender->parts[i]);
    memory_free(sender->parts);
    if (sender->fd >= 0)
        close(sender->fd);
    return memory_free(sender);
}

void sender_in_place(struct sender *sender)
{
    sender->in_place = sender->fd < 0;
}

bool sender_is_told(const struct sender *sender)
{
    return sender->in_place && sender->offset == sender->total;
}

uint64_t sender_total(const struct sender *sender)
{
    return sender->total;
}

uint64_t sender_sent(const struct sender *sender)
{
    return sender->sent;
}

static void release_block(void *block)
{
    memory_free(block);
}

// A model's bytes at the offset, as many as lie together.
static const void *find_bytes(const struct sender *sender, size_t *ret_n)
{
    const struct version *version = sender->version;
    size_t header = sender->as_file ? version->header.n : 0;
    bool in_header = sender->offset < header;
    *ret_n = (size_t)((in_header ? header : sender->total) - sender->offset);
    if (in_header)
        return version->header.data + sender->offset;
    return (const char *)version->values + (sender->offset - header);
}

static struct coded *find_part(const struct sender *sender, uint64_t *ret_within)
{
    struct coded **part = sender->parts;
    *ret_within = sender->offset; // below the total
    while (*ret_within >= (*part)->n_bytes)
        *ret_within -= (*part++)->n_bytes;
    return *part;
}

static enum status send_of_version(struct sender *sender, struct rpc_call *call, size_t *ret_n,
                                   struct error *error)
{
    const void *bytes = find_bytes(sender, ret_n);
    *ret_n = next_chunk(sender, *ret_n);
    return rpc_call_send_chunk(call, sender->offset, bytes, *ret_n, version_release,
                               version_ref(sender->version), error);
}

static enum status send_of_parts(struct sender *sender, struct rpc_call *call, size_t *ret_n,
                                 struct error *error)
{
    uint64_t within;
    struct coded *part = find_part(sender, &within);
    uint64_t n = part->n_bytes - within;
    *ret_n = n < RPC_CHUNK_BYTES ? (size_t)n : RPC_CHUNK_BYTES;
    return rpc_call_send_chunk(call, sender->offset, part->bytes + within, *ret_n, coded_release,
                               coded_ref(part), error);
}

static enum status tell_place(struct sender *sender, struct rpc_call *call, size_t *ret_n,
                              struct error *error)
{
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    uint64_t within;
    const void *bytes;
    if (sender->version) {
        bytes = find_bytes(sender, ret_n);
    } else {
        const struct coded *part = find_part(sender, &within);
        bytes = part->bytes + within;
        *ret_n = (size_t)(part->n_bytes - within);
    }
    response.has_place = true;
    response.place = cross_place(sender->offset, bytes, *ret_n);
    *ret_n = (size_t)response.place.bytes;
    return rpc_call_send(call, cohort_v1_FetchModelResponse_fields, &response, error);
}

static enum status send_of_file(struct sender *sender, struct rpc_call *call, size_t *ret_n,
                                struct error *error)
{
    void *block = memory_alloc(RPC_CHUNK_BYTES);
    if (!block)
        return error_no_memory(error, RPC_CHUNK_BYTES);
    ssize_t n =
        pread(sender->fd, block, next_chunk(sender, sender->total - sender->offset), (off_t)sender->offset);
    if (n <= 0) {
        memory_free(block);
        return error_set(error, STATUS_DATA_LOSS,
                         "the model's file ended early at byte %llu; fetch another round",
                         (unsigned long long)sender->offset);
    }
    *ret_n = (size_t)n;
    return rpc_call_send_chunk(call, sender->offset, block, *ret_n, release_block, block, error);
}

void sender_pump(struct sender *sender, struct rpc_call *call)
{
    struct error error = ERROR_INIT;
    size_t n = 0;
    if (sender->ended)
        return;
    if (sender->offset == sender->total) {
        sender->ended = true;
        if (!sender->in_place)
            rpc_call_finish(call, STATUS_OK, "");
        return;
    }
    enum status status = sender->in_place  ? tell_place(sender, call, &n, &error)
                         : sender->version ? send_of_version(sender, call, &n, &error)
                         : sender->parts   ? send_of_parts(sender, call, &n, &error)
                                           : send_of_file(sender, call, &n, &error);
    if (status != STATUS_OK) {
        sender->ended = true;
        rpc_call_finish(call, status, error.message);
        return;
    }
    sender->offset += n;
    sender->sent += n;
}
