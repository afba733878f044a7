#include "coordinator/ingest.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct ingest {
    atomic_uint references;
    struct reduction *reduction;
    size_t n_values;
    bool gathers; // the reducer keeps summaries by itself, and can give each of them up
    size_t buffer_bytes;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t idle;
    uint64_t generation; // counts resets
    unsigned int n_folding;
    size_t buffered_bytes;
};

struct upload {
    struct ingest *ingest;
    uint64_t generation;
    struct contribution from;
    uint64_t received;    // bytes
    uint32_t n_summaries; // of which it is the sum; 0: it is a summary itself
    size_t whole_bytes, value_bytes;
    struct coder coder;   // with `base` its summary's
    struct version *base; // what the coder's reference lies in; NULL: it is not coded
    void *held;           // [whole_bytes]; NULL: folded as it arrives
    bool folded;          // something of it is in the reduction
    bool finished;
    uint8_t partial[8]; // the first bytes of a value that a run ended within
    struct error fault;
};

enum status ingest_new(struct ingest **ret, const struct choice *reducer, size_t n_values,
                       const struct reduction_room *room, struct error *error)
{
    struct ingest *ingest = memory_zalloc(sizeof *ingest);
    if (!ingest)
        return error_no_memory(error, sizeof *ingest);
    atomic_init(&ingest->references, 1);
    pthread_mutex_init(&ingest->lock, NULL);
    pthread_cond_init(&ingest->idle, NULL);
    ingest->n_values = n_values;
    ingest->buffer_bytes = room->memory_bytes;
    ingest->gathers = !((const struct reducer_kind *)reducer->kind)->streams;
    // Summaries without values, between peers, are counted all the same.
    enum status status = reduction_new(&ingest->reduction, reducer, n_values ? n_values : 1, room, error);
    if (status != STATUS_OK)
        ingest_unref(ingest);
    else
        *ret = ingest;
    return status;
}

struct ingest *ingest_ref(struct ingest *ingest)
{
    atomic_fetch_add_explicit(&ingest->references, 1, memory_order_relaxed);
    return ingest;
}

struct ingest *ingest_unref(struct ingest *ingest)
{
    if (!ingest || atomic_fetch_sub_explicit(&ingest->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    reduction_free(ingest->reduction);
    pthread_cond_destroy(&ingest->idle);
    pthread_mutex_destroy(&ingest->lock);
    return memory_free(ingest);
}

void ingest_reset(struct ingest *ingest, uint64_t weight_unit)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->generation++;
    while (ingest->n_folding) // at most a run of a chunk
        pthread_cond_wait(&ingest->idle, &ingest->lock);
    reduction_reset(ingest->reduction, weight_unit);
    pthread_mutex_unlock(&ingest->lock);
}

struct reduction *ingest_reduction(struct ingest *ingest)
{
    return ingest->reduction;
}

// Folding may start: the upload belongs to the reduction's present generation.
static bool enter(struct upload *upload)
{
    struct ingest *ingest = upload->ingest;
    pthread_mutex_lock(&ingest->lock);
    bool current = upload->generation == ingest->generation;
    ingest->n_folding += current;
    pthread_mutex_unlock(&ingest->lock);
    return current;
}

static void leave(struct ingest *ingest)
{
    pthread_mutex_lock(&ingest->lock);
    if (--ingest->n_folding == 0)
        pthread_cond_broadcast(&ingest->idle);
    pthread_mutex_unlock(&ingest->lock);
}

static bool reserve(struct ingest *ingest, size_t bytes)
{
    pthread_mutex_lock(&ingest->lock);
    bool fits = ingest->buffered_bytes + bytes <= ingest->buffer_bytes;
    if (fits)
        ingest->buffered_bytes += bytes;
    pthread_mutex_unlock(&ingest->lock);
    return fits;
}

static void unreserve(struct ingest *ingest, size_t bytes)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->buffered_bytes -= bytes;
    pthread_mutex_unlock(&ingest->lock);
}

// Room for the whole upload, if there is some left.
static void hold(struct upload *upload)
{
    if (!reserve(upload->ingest, upload->whole_bytes))
        return;
    upload->held = memory_alloc(upload->whole_bytes);
    if (!upload->held)
        unreserve(upload->ingest, upload->whole_bytes);
}

static struct upload *begin(struct ingest *ingest, const struct contribution *from)
{
    struct upload *upload = memory_zalloc(sizeof *upload);
    if (!upload)
        return NULL;
    upload->ingest = ingest_ref(ingest);
    upload->from = *from;
    pthread_mutex_lock(&ingest->lock);
    upload->generation = ingest->generation;
    pthread_mutex_unlock(&ingest->lock);
    return upload;
}

static enum status begin_values(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                                uint32_t n_summaries, struct error *error)
{
    struct upload *upload = begin(ingest, from);
    if (!upload)
        return error_no_memory(error, sizeof *upload);
    upload->n_summaries = n_summaries;
    upload->value_bytes = n_summaries ? sizeof(int64_t) : sizeof(float);
    upload->whole_bytes = ingest->n_values * upload->value_bytes;
    if (!ingest->gathers)
        hold(upload);
    *ret = upload;
    return STATUS_OK;
}

enum status upload_new(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                       struct error *error)
{
    return begin_values(ret, ingest, from, 0, error);
}

enum status upload_new_sums(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                            uint32_t n_summaries, struct error *error)
{
    return begin_values(ret, ingest, from, n_summaries, error);
}

enum status upload_new_coded(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                             const struct coder *coder, struct version *base_take, struct error *error)
{
    struct upload *upload = begin(ingest, from);
    if (!upload) {
        version_unref(base_take);
        return error_no_memory(error, sizeof *upload);
    }
    upload->coder = *coder;
    upload->base = base_take;
    upload->value_bytes = 1;
    upload->whole_bytes = coder_bytes(coder);
    hold(upload);
    if (!upload->held) {
        size_t bytes = upload->whole_bytes;
        upload_free(upload);
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "no room for the summary's %zu bytes beside those that are held; try again in a "
                         "moment, or raise limits.buffer",
                         bytes);
    }
    *ret = upload;
    return STATUS_OK;
}

// What was folded of a broken upload is taken out of a reduction that can do so; true when it cannot.
static bool take_out(struct upload *upload)
{
    if (!upload->folded || upload->finished || !enter(upload))
        return false;
    bool gone = reduction_forget(upload->ingest->reduction, &upload->from);
    leave(upload->ingest);
    return !gone;
}

bool upload_free(struct upload *upload)
{
    if (!upload)
        return false;
    struct ingest *ingest = upload->ingest;
    if (upload->held)
        unreserve(ingest, upload->whole_bytes);
    bool spoilt = take_out(upload);
    version_unref(upload->base);
    memory_free(upload->held);
    memory_free(upload);
    ingest_unref(ingest);
    return spoilt;
}

// ---- folding --------------------------------------------------------------------------------------------

enum { TILE_BYTES = 16384 };

static enum status fold_aligned(const struct upload *upload, size_t first, const void *values, size_t n,
                                struct error *error)
{
    struct reduction *reduction = upload->ingest->reduction;
    return upload->n_summaries ? reduction_fold_sums(reduction, first, values, n, upload->n_summaries, error)
                               : reduction_fold(reduction, first, values, n, &upload->from, error);
}

static enum status fold(struct upload *upload, size_t first, const uint8_t *run, size_t n,
                        struct error *error)
{
    size_t value_bytes = upload->value_bytes, tile_values = TILE_BYTES / value_bytes;
    if ((uintptr_t)run % value_bytes == 0)
        return fold_aligned(upload, first, run, n, error);
    int64_t tile[TILE_BYTES / sizeof(int64_t)]; // received slices start anywhere
    for (size_t at = 0; at < n; at += tile_values) {
        size_t some = n - at < tile_values ? n - at : tile_values;
        memcpy(tile, run + at * value_bytes, some * value_bytes);
        TRY(fold_aligned(upload, first + at, tile, some, error));
        upload->folded = true;
    }
    return STATUS_OK;
}

static enum status fold_whole_values(struct upload *upload, size_t first, const uint8_t *run, size_t n)
{
    if (n == 0 || !enter(upload)) // void since a reset: dropped
        return STATUS_OK;
    enum status status = fold(upload, first, run, n, &upload->fault);
    if (status == STATUS_OK)
        upload->folded = true;
    leave(upload->ingest);
    return status;
}

// Folds a run at any byte: the value that an earlier run began is finished first, the one that this run
// begins is kept.
static bool fold_run(struct upload *upload, const uint8_t *run, size_t bytes)
{
    size_t value_bytes = upload->value_bytes, begun = upload->received % value_bytes;
    if (begun) {
        size_t missing = value_bytes - begun < bytes ? value_bytes - begun : bytes;
        memcpy(upload->partial + begun, run, missing);
        upload->received += missing;
        run += missing;
        bytes -= missing;
        if (upload->received % value_bytes == 0 &&
            fold_whole_values(upload, upload->received / value_bytes - 1, upload->partial, 1) != STATUS_OK)
            return false;
        if (bytes == 0)
            return true;
    }
    size_t n = bytes / value_bytes, rest = bytes % value_bytes;
    if (fold_whole_values(upload, upload->received / value_bytes, run, n) != STATUS_OK)
        return false;
    memcpy(upload->partial, run + n * value_bytes, rest);
    upload->received += bytes;
    return true;
}

bool upload_take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct upload *upload = user;
    size_t whole = upload->whole_bytes;
    if (upload->fault.status != STATUS_OK)
        return false;
    if (offset != upload->received) {
        error_set(&upload->fault, STATUS_DATA_LOSS,
                  "bytes at offset %llu came when those at %llu were due; send chunks in order, without gaps",
                  (unsigned long long)offset, (unsigned long long)upload->received);
        return false;
    }
    if (bytes > whole - upload->received) {
        error_set(
            &upload->fault, STATUS_DATA_LOSS,
            "more bytes than the %zu of the model's %zu values; send a summary of this experiment's model",
            whole, upload->ingest->n_values);
        return false;
    }
    if (!upload->held)
        return fold_run(upload, run, bytes);
    memcpy((uint8_t *)upload->held + upload->received, run, bytes);
    upload->received += bytes;
    return true;
}

bool upload_is_held(const struct upload *upload)
{
    return upload->held != NULL;
}

uint64_t upload_received(const struct upload *upload)
{
    return upload->received;
}

const struct error *upload_fault(const struct upload *upload)
{
    return &upload->fault;
}

// Takes back the tiles before `end`, where the reducer cannot forget a summary by itself.
static void unfold_coded(struct upload *upload, size_t end)
{
    float tile[TILE_BYTES / sizeof(float)];
    enum { TILE = ARRAY_SIZE(tile) };
    for (size_t at = 0; at < end && !upload->ingest->gathers; at += TILE) {
        size_t n = end - at < TILE ? end - at : TILE;
        coder_decode(&upload->coder, upload->held, at, n, tile);
        reduction_unfold(upload->ingest->reduction, at, tile, n, &upload->from);
    }
}

static enum status fold_coded(struct upload *upload, struct error *error)
{
    float tile[TILE_BYTES / sizeof(float)];
    enum { TILE = ARRAY_SIZE(tile) };
    size_t n_values = upload->ingest->n_values;
    TRY(coder_check(&upload->coder, upload->held, error));
    for (size_t at = 0; at < n_values; at += TILE) {
        size_t n = n_values - at < TILE ? n_values - at : TILE;
        coder_decode(&upload->coder, upload->held, at, n, tile);
        enum status status = fold_aligned(upload, at, tile, n, error);
        if (status != STATUS_OK) {
            unfold_coded(upload, at);
            return status;
        }
        upload->folded = upload->ingest->gathers; // to be forgotten, should it go wrong
    }
    return STATUS_OK;
}

static enum status fold_held(struct upload *upload, struct error *error)
{
    if (upload->base)
        return fold_coded(upload, error);
    return upload->held ? fold_aligned(upload, 0, upload->held, upload->ingest->n_values, error) : STATUS_OK;
}

enum status upload_finish(struct upload *upload, struct error *error)
{
    struct ingest *ingest = upload->ingest;
    size_t whole = upload->whole_bytes;
    if (upload->received != whole)
        return error_set(error, STATUS_DATA_LOSS, "only %llu of %zu bytes came; send the summary again",
                         (unsigned long long)upload->received, whole);
    if (!enter(upload))
        return error_set(error, STATUS_ABORTED,
                         "the round's collection was started over; send the summary again");
    enum status status = fold_held(upload, error);
    if (status == STATUS_OK) {
        if (upload->n_summaries)
            reduction_count_sums(ingest->reduction, upload->n_summaries, upload->from.weight);
        else
            reduction_count(ingest->reduction, &upload->from);
        upload->finished = true;
    }
    leave(ingest);
    return status;
}
