#include "base/memory.h"
#include "coordinator/ingest_impl.h"
#include <assert.h>
#include <string.h>

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
    if (status == STATUS_OK)
        status = rows_new(&ingest->waiting, n_values ? n_values : 1, 0, room->folder, error);
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
    rows_free(ingest->waiting);
    pthread_cond_destroy(&ingest->idle);
    pthread_mutex_destroy(&ingest->lock);
    return memory_free(ingest);
}

void ingest_set_max_norm(struct ingest *ingest, double max_norm)
{
    ingest->max_norm = max_norm;
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

bool upload_enter(struct upload *upload)
{
    struct ingest *ingest = upload->ingest;
    pthread_mutex_lock(&ingest->lock);
    bool current = upload->generation == ingest->generation;
    ingest->n_folding += current;
    pthread_mutex_unlock(&ingest->lock);
    return current;
}

void upload_leave(struct upload *upload)
{
    struct ingest *ingest = upload->ingest;
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

bool upload_is_bounded(const struct upload *upload)
{
    return upload->ingest->max_norm > 0 && upload->n_summaries == 0;
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

static enum status wait_in_file(struct upload *upload, struct error *error)
{
    return rows_take(upload->ingest->waiting, true, &upload->waiting, error);
}

static enum status begin_values(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                                uint32_t n_summaries, bool passes, struct error *error)
{
    struct upload *upload = begin(ingest, from);
    if (!upload)
        return error_no_memory(error, sizeof *upload);
    upload->n_summaries = n_summaries;
    upload->value_bytes = n_summaries ? sizeof(int64_t) : sizeof(float);
    upload->whole_bytes = ingest->n_values * upload->value_bytes;
    if (!ingest->gathers && (!passes || upload_is_bounded(upload)))
        hold(upload);
    enum status status = STATUS_OK;
    if (!ingest->gathers && !upload->held && upload_is_bounded(upload))
        status = wait_in_file(upload, error);
    if (status == STATUS_OK)
        *ret = upload;
    else
        upload_free(upload);
    return status;
}

enum status upload_new(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                       struct error *error)
{
    return begin_values(ret, ingest, from, 0, false, error);
}

enum status upload_new_passing(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                               struct error *error)
{
    return begin_values(ret, ingest, from, 0, true, error);
}

enum status upload_new_sums(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                            uint32_t n_summaries, struct error *error)
{
    return begin_values(ret, ingest, from, n_summaries, false, error);
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

void upload_around(struct upload *upload, struct version *version, size_t n)
{
    if (!upload_is_bounded(upload) || !version)
        return;
    upload->around = version_ref(version);
    upload->n_around = n;
}

// What was folded of a broken upload is taken out of a reduction that can do so; true when it cannot.
static bool take_out(struct upload *upload)
{
    if (!upload->folded || upload->finished || !upload_enter(upload))
        return false;
    bool gone = reduction_forget(upload->ingest->reduction, &upload->from);
    upload_leave(upload);
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
    rows_give(ingest->waiting, upload->waiting);
    version_unref(upload->around);
    version_unref(upload->base);
    memory_free(upload->held);
    memory_free(upload);
    ingest_unref(ingest);
    return spoilt;
}

bool upload_is_held(const struct upload *upload)
{
    return upload->held || upload->waiting || upload->ingest->gathers;
}

enum status upload_hold(struct upload *upload, struct error *error)
{
    assert(upload->n_summaries == 0 && upload->received == 0);
    if (!upload->held && !upload->waiting)
        hold(upload);
    return upload->held || upload->waiting ? STATUS_OK : wait_in_file(upload, error);
}

bool upload_leaves_room(const struct upload *upload)
{
    struct ingest *ingest = upload->ingest;
    pthread_mutex_lock(&ingest->lock);
    bool room = ingest->buffered_bytes + upload->whole_bytes <= ingest->buffer_bytes;
    pthread_mutex_unlock(&ingest->lock);
    return room;
}

void upload_bind(struct upload *upload, const struct contribution *from)
{
    struct ingest *ingest = upload->ingest;
    pthread_mutex_lock(&ingest->lock);
    upload->generation = ingest->generation;
    upload->from = *from;
    pthread_mutex_unlock(&ingest->lock);
}

// ---- folding --------------------------------------------------------------------------------------------

enum status upload_fold(const struct upload *upload, size_t first, const void *values, size_t n,
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
    bool anywhere = !upload->n_summaries && !upload->ingest->gathers; // received slices start anywhere
    if (anywhere || (uintptr_t)run % value_bytes == 0)
        return upload_fold(upload, first, run, n, error);
    int64_t tile[TILE_BYTES / sizeof(int64_t)];
    for (size_t at = 0; at < n; at += tile_values) {
        size_t some = n - at < tile_values ? n - at : tile_values;
        memcpy(tile, run + at * value_bytes, some * value_bytes);
        TRY(upload_fold(upload, first + at, tile, some, error));
        upload->folded = true;
    }
    return STATUS_OK;
}

static enum status fold_whole_values(struct upload *upload, size_t first, const uint8_t *run, size_t n)
{
    if (upload->waiting)
        return rows_write(upload->ingest->waiting, upload->waiting, first, run, n, &upload->fault);
    if (n == 0 || !upload_enter(upload)) // void since a reset: dropped
        return STATUS_OK;
    enum status status = fold(upload, first, run, n, &upload->fault);
    if (status == STATUS_OK)
        upload->folded = true;
    upload_leave(upload);
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

uint64_t upload_received(const struct upload *upload)
{
    return upload->received;
}

const struct error *upload_fault(const struct upload *upload)
{
    return &upload->fault;
}
