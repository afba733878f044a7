#include "reduce/reducer.h"
#include "base/memory.h"
#include "reduce/finite.h"
#include "reduce/gather.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#define X(name) extern const struct reducer_kind reducer_##name;
#include "reduce/reducers.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &reducer_##name.kind,
#include "reduce/reducers.def"
#undef X
};

const struct registry reducers = {.what = "reducer", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

enum { BLOCK_VALUES = 1 << 18 }; // 1 MiB of values: a chunk on the wire

struct block {
    pthread_mutex_t lock; // guards what follows, and the reducer's state over the block's values
    uint64_t n_folded;    // values folded into the block, over all summaries
    bool stale;           // left from before the reset: cleared by the first fold, while it is in the cache
};

struct reduction {
    const struct reducer_kind *kind;
    struct gathering *gathering; // NULL: it streams, with what follows `n_summaries`
    size_t n_values;
    uint64_t weight_unit;
    _Atomic uint64_t weight;
    _Atomic size_t n_summaries;
    void *state;
    size_t n_blocks;
    struct block blocks[];
};

// The part of a range that lies in one block.
struct piece {
    struct block *block;
    size_t offset, n;
    size_t room; // values that the block takes from all summaries of a round
};

static struct piece piece_at(struct reduction *reduction, size_t offset, size_t n)
{
    size_t index = offset / BLOCK_VALUES, start = index * BLOCK_VALUES;
    size_t end = start + BLOCK_VALUES < reduction->n_values ? start + BLOCK_VALUES : reduction->n_values;
    return (struct piece){
        .block = &reduction->blocks[index],
        .offset = offset,
        .n = n < end - offset ? n : end - offset,
        .room = (end - start) * RING_TERMS_MAX,
    };
}

static enum status open_streaming(struct reduction *reduction, const struct choice *reducer, size_t n_blocks,
                                  struct error *error)
{
    TRY(reduction->kind->open(reducer->options, reduction->n_values, &reduction->state, error));
    reduction->n_blocks = n_blocks;
    for (size_t i = 0; i < n_blocks; i++)
        pthread_mutex_init(&reduction->blocks[i].lock, NULL);
    return STATUS_OK;
}

enum status reduction_new(struct reduction **ret, const struct choice *reducer, size_t n_values,
                          const struct reduction_room *room, struct error *error)
{
    if (n_values == 0 || n_values > SIZE_MAX / 2 / sizeof(int64_t))
        return error_set(error, STATUS_INVALID_ARGUMENT, "a reduction over '%zu' values is not possible",
                         n_values);
    const struct reducer_kind *kind = (const struct reducer_kind *)reducer->kind;
    size_t n_blocks = kind->streams ? (n_values - 1) / BLOCK_VALUES + 1 : 0;
    size_t bytes = sizeof(struct reduction) + n_blocks * sizeof(struct block);
    struct reduction *reduction = memory_zalloc(bytes);
    if (!reduction)
        return error_no_memory(error, bytes);
    reduction->kind = kind;
    reduction->n_values = n_values;
    reduction->weight_unit = 1;
    enum status status = kind->streams ? open_streaming(reduction, reducer, n_blocks, error)
                                       : gathering_new(&reduction->gathering, reducer, n_values, room, error);
    if (status == STATUS_OK)
        *ret = reduction;
    else
        memory_free(reduction);
    return status;
}

struct reduction *reduction_free(struct reduction *reduction)
{
    if (!reduction)
        return NULL;
    for (size_t i = 0; i < reduction->n_blocks; i++)
        pthread_mutex_destroy(&reduction->blocks[i].lock);
    if (reduction->kind->streams)
        reduction->kind->close(reduction->state);
    gathering_free(reduction->gathering);
    return memory_free(reduction);
}

void reduction_reset(struct reduction *reduction, uint64_t weight_unit)
{
    assert(weight_unit > 0);
    if (reduction->gathering)
        gathering_reset(reduction->gathering);
    for (size_t i = 0; i < reduction->n_blocks; i++)
        reduction->blocks[i].stale = true;
    reduction->weight_unit = weight_unit;
    atomic_store(&reduction->weight, 0);
    atomic_store(&reduction->n_summaries, 0);
}

// With the block's lock held.
static void freshen(struct reduction *reduction, struct block *block)
{
    if (!block->stale)
        return;
    size_t start = (size_t)(block - reduction->blocks) * BLOCK_VALUES, left = reduction->n_values - start;
    reduction->kind->reset(reduction->state, start, left < BLOCK_VALUES ? left : BLOCK_VALUES);
    block->n_folded = 0;
    block->stale = false;
}

static double scale_of(const struct reduction *reduction, const struct contribution *from)
{
    return (double)from->weight * from->discount / (double)reduction->weight_unit;
}

static enum status fold_piece(struct reduction *reduction, const struct piece *piece, const void *values,
                              double scale, struct error *error)
{
    struct block *block = piece->block;
    enum status status;
    pthread_mutex_lock(&block->lock);
    freshen(reduction, block);
    if (piece->n > piece->room - block->n_folded)
        status = error_set(error, STATUS_OUT_OF_RANGE,
                           "the round has folded '%d' summaries already: select fewer learners a round",
                           RING_TERMS_MAX);
    else
        status = reduction->kind->fold(reduction->state, piece->offset, values, piece->n, scale, error);
    if (status == STATUS_OK)
        block->n_folded += piece->n;
    pthread_mutex_unlock(&block->lock);
    return status;
}

static enum status check_contribution(const struct contribution *from, struct error *error)
{
    if (from->weight == 0 || from->weight > REDUCTION_WEIGHT_MAX)
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "a summary's weight '%llu' must be from 1 to %llu samples",
                         (unsigned long long)from->weight, (unsigned long long)REDUCTION_WEIGHT_MAX);
    if (!(from->discount > 0 && from->discount <= 1))
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "a summary's discount '%g' must be above 0 and at most 1", from->discount);
    return STATUS_OK;
}

static const void *values_at(const void *values, size_t i)
{
    return (const char *)values + i * sizeof(float);
}

static enum status fold_streaming(struct reduction *reduction, size_t offset, const void *values, size_t n,
                                  const struct contribution *from, struct error *error)
{
    double scale = scale_of(reduction, from);
    for (size_t done = 0; done < n;) {
        struct piece piece = piece_at(reduction, offset + done, n - done);
        enum status status = fold_piece(reduction, &piece, values_at(values, done), scale, error);
        if (status != STATUS_OK) {
            reduction_unfold(reduction, offset, values, done, from);
            return status;
        }
        done += piece.n;
    }
    return STATUS_OK;
}

static enum status fold_gathering(struct reduction *reduction, size_t offset, const float *values, size_t n,
                                  const struct contribution *from, struct error *error)
{
    size_t bad = first_not_finite(values, n);
    if (bad < n)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "value %zu of the summary is '%g': train with a smaller learning rate or clip_norm",
                         offset + bad, (double)values[bad]);
    return gathering_fold(reduction->gathering, offset, values, n, from, error);
}

enum status reduction_fold(struct reduction *reduction, size_t offset, const void *values, size_t n,
                           const struct contribution *from, struct error *error)
{
    TRY(check_contribution(from, error));
    if (offset > reduction->n_values || n > reduction->n_values - offset)
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "'%zu' values from %zu do not fit a summary of %zu: send the round's own layout", n,
                         offset, reduction->n_values);
    return reduction->gathering ? fold_gathering(reduction, offset, values, n, from, error)
                                : fold_streaming(reduction, offset, values, n, from, error);
}

void reduction_unfold(struct reduction *reduction, size_t offset, const void *values, size_t n,
                      const struct contribution *from)
{
    assert(!reduction->gathering);
    double scale = scale_of(reduction, from);
    for (size_t done = 0; done < n;) {
        struct piece piece = piece_at(reduction, offset + done, n - done);
        pthread_mutex_lock(&piece.block->lock);
        enum status status = reduction->kind->fold(reduction->state, piece.offset, values_at(values, done),
                                                   piece.n, -scale, NULL);
        assert(status == STATUS_OK && !piece.block->stale && piece.block->n_folded >= piece.n);
        (void)status;
        piece.block->n_folded -= piece.n;
        pthread_mutex_unlock(&piece.block->lock);
        done += piece.n;
    }
}

bool reduction_forget(struct reduction *reduction, const struct contribution *from)
{
    if (!reduction->gathering)
        return false;
    gathering_forget(reduction->gathering, from->source);
    return true;
}

enum status reduction_distance(const struct reduction *reduction, const struct contribution *from,
                               const float *reference, size_t n_reference, double *ret, struct error *error)
{
    if (!reduction->gathering)
        return error_set(error, STATUS_UNIMPLEMENTED, "'%s' keeps no summaries", reduction->kind->kind.name);
    return gathering_distance(reduction->gathering, from->source, reference, n_reference, ret, error);
}

void reduction_count(struct reduction *reduction, const struct contribution *from)
{
    if (reduction->gathering)
        gathering_count(reduction->gathering, from);
    atomic_fetch_add(&reduction->weight, from->weight);
    atomic_fetch_add(&reduction->n_summaries, 1);
}

size_t reduction_n_summaries(const struct reduction *reduction)
{
    return atomic_load(&reduction->n_summaries);
}

uint64_t reduction_weight(const struct reduction *reduction)
{
    return atomic_load(&reduction->weight);
}

enum status reduction_settle(struct reduction *reduction, const struct settling *settling,
                             struct error *error)
{
    assert(settling->n_reference <= reduction->n_values);
    if (reduction_n_summaries(reduction) == 0)
        return error_set(error, STATUS_FAILED_PRECONDITION, "no summary came; there is nothing to reduce");
    return reduction->gathering ? gathering_settle(reduction->gathering, settling, error) : STATUS_OK;
}

static void finish_streaming(const struct reduction *reduction, size_t offset, size_t n, float *ret)
{
    for (size_t i = offset / BLOCK_VALUES; i * BLOCK_VALUES < offset + n; i++)
        assert(!reduction->blocks[i].stale);
    double total = (double)reduction_weight(reduction) / (double)reduction->weight_unit;
    reduction->kind->finish(reduction->state, offset, n, total, ret);
}

enum status reduction_finish(const struct reduction *reduction, size_t offset, size_t n, float *ret,
                             struct error *error)
{
    assert(reduction_n_summaries(reduction) > 0);
    assert(offset <= reduction->n_values && n <= reduction->n_values - offset);
    if (reduction->gathering)
        return gathering_finish(reduction->gathering, offset, n, ret, error);
    finish_streaming(reduction, offset, n, ret);
    return STATUS_OK;
}

// ---- partial sums ---------------------------------------------------------------------------------------

const int64_t *reduction_sums(struct reduction *reduction)
{
    assert(reduction_n_summaries(reduction) > 0);
    return reduction->kind->sums(reduction->state);
}

static void unfold_sums(struct reduction *reduction, size_t offset, const int64_t *sums, size_t n,
                        uint32_t n_summaries)
{
    for (size_t done = 0; done < n;) {
        struct piece piece = piece_at(reduction, offset + done, n - done);
        pthread_mutex_lock(&piece.block->lock);
        ring_take(reduction->kind->sums(reduction->state) + piece.offset, sums + done, piece.n);
        piece.block->n_folded -= piece.n * n_summaries;
        pthread_mutex_unlock(&piece.block->lock);
        done += piece.n;
    }
}

static enum status fold_sums_piece(struct reduction *reduction, const struct piece *piece,
                                   const int64_t *sums, uint32_t n_summaries, struct error *error)
{
    struct block *block = piece->block;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&block->lock);
    freshen(reduction, block);
    if (piece->n * (size_t)n_summaries > piece->room - block->n_folded)
        status = error_set(error, STATUS_OUT_OF_RANGE,
                           "the round has no room for '%u' more summaries: select fewer learners a round",
                           n_summaries);
    else if (!ring_add(reduction->kind->sums(reduction->state) + piece->offset, sums, piece->n, n_summaries))
        status = error_set(error, STATUS_OUT_OF_RANGE,
                           "the partial sum is larger at values from %zu than '%u' summaries make it: the "
                           "relay that sent it is broken",
                           piece->offset, n_summaries);
    else
        block->n_folded += piece->n * n_summaries;
    pthread_mutex_unlock(&block->lock);
    return status;
}

enum status reduction_fold_sums(struct reduction *reduction, size_t offset, const int64_t *sums, size_t n,
                                uint32_t n_summaries, struct error *error)
{
    if (!reduction->kind->sums)
        return error_set(error, STATUS_UNIMPLEMENTED, "'%s' cannot be made of partial sums",
                         reduction->kind->kind.name);
    if (n_summaries == 0 || n_summaries > RING_TERMS_MAX)
        return error_set(error, STATUS_OUT_OF_RANGE, "a partial sum of '%u' summaries: it must be of 1 to %d",
                         n_summaries, RING_TERMS_MAX);
    if (offset > reduction->n_values || n > reduction->n_values - offset)
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "'%zu' values from %zu do not fit a summary of %zu: send the round's own layout", n,
                         offset, reduction->n_values);
    for (size_t done = 0; done < n;) {
        struct piece piece = piece_at(reduction, offset + done, n - done);
        enum status status = fold_sums_piece(reduction, &piece, sums + done, n_summaries, error);
        if (status != STATUS_OK) {
            unfold_sums(reduction, offset, sums, done, n_summaries);
            return status;
        }
        done += piece.n;
    }
    return STATUS_OK;
}

void reduction_count_sums(struct reduction *reduction, uint32_t n_summaries, uint64_t weight)
{
    atomic_fetch_add(&reduction->weight, weight);
    atomic_fetch_add(&reduction->n_summaries, n_summaries);
}
