#include "reduce/gather.h"
#include "base/memory.h"
#include "reduce/gathered.h"
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { SCRATCH_FLOATS = 1 << 19, COLUMNS_MIN = 64, PAD = 16, DISCOUNT_TILE = 1024 };

struct summary {
    uint32_t source;
    bool whole;
    uint64_t weight;
    size_t n_written;
    struct row *row;
};

// What a thread finishes a range with.
struct scratch {
    struct scratch *next;
    float *values; // [n_chosen, a tile's columns and some]
    float *rows[]; // [n_chosen]
};

struct gathering {
    const struct reducer_kind *kind;
    void *options; // a copy
    size_t n_values;
    struct rows *rows;
    pthread_mutex_t lock;                      // guards what follows up to settling, and the scratch list
    struct summary *summaries[RING_TERMS_MAX]; // [n], by source; of one source, the earlier one first
    size_t n;
    struct scratch *scratch;
    // From settling on.
    struct gathered gathered;
    size_t n_chosen; // rows that count
    struct row **chosen;
    double *chosen_shares;
    size_t columns; // of a tile
};

enum status gathering_new(struct gathering **ret, const struct choice *reducer, size_t n_values,
                          const struct reduction_room *room, struct error *error)
{
    struct gathering *gathering = memory_zalloc(sizeof *gathering);
    if (!gathering)
        return error_no_memory(error, sizeof *gathering);
    pthread_mutex_init(&gathering->lock, NULL);
    gathering->kind = (const struct reducer_kind *)reducer->kind;
    gathering->n_values = n_values;
    size_t bytes = reducer->options ? reducer->kind->options_bytes : 0;
    enum status status = rows_new(&gathering->rows, n_values, room ? room->memory_bytes : SIZE_MAX,
                                  room ? room->folder : NULL, error);
    if (status == STATUS_OK && bytes) {
        gathering->options = memory_alloc(bytes);
        if (gathering->options)
            memcpy(gathering->options, reducer->options, bytes);
        else
            status = error_no_memory(error, bytes);
    }
    if (status == STATUS_OK)
        *ret = gathering;
    else
        gathering_free(gathering);
    return status;
}

static void free_settled(struct gathering *gathering)
{
    memory_free((void *)gathering->gathered.weights);
    memory_free((void *)gathering->gathered.row);
    memory_free(gathering->gathered.shares);
    gathering->gathered = (struct gathered){0};
    gathering->chosen = memory_free(gathering->chosen);
    gathering->chosen_shares = memory_free(gathering->chosen_shares);
    gathering->n_chosen = 0;
    while (gathering->scratch) {
        struct scratch *scratch = gathering->scratch;
        gathering->scratch = scratch->next;
        memory_free(scratch->values);
        memory_free(scratch);
    }
}

struct gathering *gathering_free(struct gathering *gathering)
{
    if (!gathering)
        return NULL;
    gathering_reset(gathering);
    rows_free(gathering->rows);
    memory_free(gathering->options);
    pthread_mutex_destroy(&gathering->lock);
    return memory_free(gathering);
}

// ---- collecting -----------------------------------------------------------------------------------------

static void drop(struct gathering *gathering, size_t index)
{
    struct summary *summary = gathering->summaries[index];
    rows_give(gathering->rows, summary->row);
    memory_free(summary);
    memmove(gathering->summaries + index, gathering->summaries + index + 1,
            (--gathering->n - index) * sizeof gathering->summaries[0]);
}

void gathering_reset(struct gathering *gathering)
{
    pthread_mutex_lock(&gathering->lock);
    while (gathering->n)
        drop(gathering, gathering->n - 1);
    free_settled(gathering);
    pthread_mutex_unlock(&gathering->lock);
}

// The number of summaries of sources up to and with `source`.
static size_t end_of(const struct gathering *gathering, uint32_t source)
{
    size_t low = 0, high = gathering->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (gathering->summaries[middle]->source <= source)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The summary of `source` that is not whole; its index in `ret_index`, or where one would be.
static struct summary *open_one(const struct gathering *gathering, uint32_t source, size_t *ret_index)
{
    size_t end = end_of(gathering, source);
    struct summary *last = end ? gathering->summaries[end - 1] : NULL;
    bool open = last && last->source == source && !last->whole;
    *ret_index = open ? end - 1 : end;
    return open ? last : NULL;
}

static enum status begin(struct gathering *gathering, const struct contribution *from, size_t index,
                         struct summary **ret, struct error *error)
{
    if (gathering->n == RING_TERMS_MAX)
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "the round has folded '%d' summaries already: select fewer learners a round",
                         RING_TERMS_MAX);
    struct summary *summary = memory_zalloc(sizeof *summary);
    if (!summary)
        return error_no_memory(error, sizeof *summary);
    enum status status = rows_take(gathering->rows, true, &summary->row, error);
    if (status != STATUS_OK) {
        memory_free(summary);
        return status;
    }
    summary->source = from->source;
    summary->weight = from->weight;
    memmove(gathering->summaries + index + 1, gathering->summaries + index,
            (gathering->n++ - index) * sizeof gathering->summaries[0]);
    *ret = gathering->summaries[index] = summary;
    return STATUS_OK;
}

static enum status find_or_begin(struct gathering *gathering, const struct contribution *from,
                                 struct summary **ret, struct error *error)
{
    size_t index;
    pthread_mutex_lock(&gathering->lock);
    *ret = open_one(gathering, from->source, &index);
    enum status status = *ret ? STATUS_OK : begin(gathering, from, index, ret, error);
    pthread_mutex_unlock(&gathering->lock);
    return status;
}

static enum status write_discounted(struct gathering *gathering, struct row *row, size_t offset,
                                    const float *values, size_t n, double discount, struct error *error)
{
    float tile[DISCOUNT_TILE];
    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < DISCOUNT_TILE ? n - at : DISCOUNT_TILE;
        for (size_t i = 0; i < some; i++)
            tile[i] = (float)((double)values[at + i] * discount);
        TRY(rows_write(gathering->rows, row, offset + at, tile, some, error));
    }
    return STATUS_OK;
}

enum status gathering_fold(struct gathering *gathering, size_t offset, const float *values, size_t n,
                           const struct contribution *from, struct error *error)
{
    struct summary *summary;
    TRY(find_or_begin(gathering, from, &summary, error));
    if (n > gathering->n_values - summary->n_written)
        return error_set(error, STATUS_OUT_OF_RANGE,
                         "'%zu' values more than a summary of %zu has: send each range once", n,
                         gathering->n_values);
    if (from->discount == 1)
        TRY(rows_write(gathering->rows, summary->row, offset, values, n, error));
    else
        TRY(write_discounted(gathering, summary->row, offset, values, n, from->discount, error));
    summary->n_written += n;
    return STATUS_OK;
}

void gathering_count(struct gathering *gathering, const struct contribution *from)
{
    size_t index;
    pthread_mutex_lock(&gathering->lock);
    struct summary *summary = open_one(gathering, from->source, &index);
    assert(summary && summary->n_written == gathering->n_values);
    summary->whole = true;
    pthread_mutex_unlock(&gathering->lock);
}

void gathering_forget(struct gathering *gathering, uint32_t source)
{
    size_t index;
    pthread_mutex_lock(&gathering->lock);
    if (open_one(gathering, source, &index))
        drop(gathering, index);
    pthread_mutex_unlock(&gathering->lock);
}

enum status gathering_distance(struct gathering *gathering, uint32_t source, const float *reference,
                               size_t n_reference, double *ret, struct error *error)
{
    size_t index;
    pthread_mutex_lock(&gathering->lock);
    const struct summary *summary = open_one(gathering, source, &index);
    pthread_mutex_unlock(&gathering->lock);
    if (!summary)
        return error_set(error, STATUS_NOT_FOUND, "no summary of learner '%u' is under way", source);
    return rows_distance(gathering->rows, summary->row, reference, n_reference, ret, error);
}

// ---- settling -------------------------------------------------------------------------------------------

// Whole summaries alone, in their order.
static enum status gather(struct gathering *gathering, const struct settling *settling, struct error *error)
{
    size_t n = gathering->n;
    uint64_t *weights = memory_array(n, sizeof *weights);
    struct row **row = memory_array(n, sizeof(struct row *));
    double *shares = memory_array(n, sizeof *shares);
    gathering->chosen = memory_array(n, sizeof(struct row *));
    gathering->chosen_shares = memory_array(n, sizeof *gathering->chosen_shares);
    struct gathered *gathered = &gathering->gathered;
    *gathered = (struct gathered){.n_values = gathering->n_values,
                                  .weights = weights,
                                  .shares = shares,
                                  .settling = *settling,
                                  .rows = gathering->rows,
                                  .row = row};
    if (!weights || !row || !shares || !gathering->chosen || !gathering->chosen_shares)
        return error_no_memory(error, n * sizeof *row);
    pthread_mutex_lock(&gathering->lock); // what is not whole may still come, or go, and does not count
    for (size_t i = 0; i < gathering->n; i++) {
        const struct summary *summary = gathering->summaries[i];
        if (!summary->whole || gathered->n_rows == n)
            continue;
        weights[gathered->n_rows] = summary->weight;
        row[gathered->n_rows] = summary->row;
        shares[gathered->n_rows++] = 1;
    }
    pthread_mutex_unlock(&gathering->lock);
    return STATUS_OK;
}

static void choose(struct gathering *gathering)
{
    const struct gathered *gathered = &gathering->gathered;
    for (size_t i = 0; i < gathered->n_rows; i++)
        if (gathered->shares[i] != 0) {
            gathering->chosen[gathering->n_chosen] = gathered->row[i];
            gathering->chosen_shares[gathering->n_chosen++] = gathered->shares[i];
        }
    assert(gathering->n_chosen > 0);
    gathering->columns = SCRATCH_FLOATS / gathering->n_chosen;
    if (gathering->columns < COLUMNS_MIN)
        gathering->columns = COLUMNS_MIN;
    if (gathering->columns > gathering->n_values)
        gathering->columns = gathering->n_values;
}

enum status gathering_settle(struct gathering *gathering, const struct settling *settling,
                             struct error *error)
{
    free_settled(gathering);
    TRY(gather(gathering, settling, error));
    struct gathered *gathered = &gathering->gathered;
    if (gathering->kind->check_learners)
        TRY(gathering->kind->check_learners(gathering->options, gathered->n_rows, gathered->n_rows, error));
    if (gathering->kind->settle)
        TRY(gathering->kind->settle(gathering->options, gathered, error));
    choose(gathering);
    return STATUS_OK;
}

// ---- finishing ------------------------------------------------------------------------------------------

// Rows a power of two apart would share their lines of the cache.
static size_t stride_of(const struct gathering *gathering)
{
    return (gathering->columns + PAD - 1) / PAD * PAD + PAD;
}

static struct scratch *take_scratch(struct gathering *gathering)
{
    pthread_mutex_lock(&gathering->lock);
    struct scratch *scratch = gathering->scratch;
    if (scratch)
        gathering->scratch = scratch->next;
    pthread_mutex_unlock(&gathering->lock);
    if (scratch)
        return scratch;
    scratch = memory_zalloc(sizeof *scratch + gathering->n_chosen * sizeof scratch->rows[0]);
    float *values = scratch ? memory_floats(stride_of(gathering) * gathering->n_chosen) : NULL;
    if (!values)
        return memory_free(scratch);
    scratch->values = values;
    for (size_t i = 0; i < gathering->n_chosen; i++)
        scratch->rows[i] = values + i * stride_of(gathering);
    return scratch;
}

static void give_scratch(struct gathering *gathering, struct scratch *scratch)
{
    pthread_mutex_lock(&gathering->lock);
    scratch->next = gathering->scratch;
    gathering->scratch = scratch;
    pthread_mutex_unlock(&gathering->lock);
}

// A range that does not straddle the end of the reference.
static enum status finish_tile(const struct gathering *gathering, size_t offset, size_t n, float *const *rows,
                               float *ret, struct error *error)
{
    const struct settling *settling = &gathering->gathered.settling;
    const struct tile tile = {
        .n_rows = gathering->n_chosen,
        .n = n,
        .rows = rows,
        .shares = gathering->chosen_shares,
        .rest = gathering->gathered.rest,
        .reference = offset < settling->n_reference ? settling->reference + offset : NULL,
    };
    for (size_t i = 0; i < tile.n_rows; i++)
        TRY(rows_read(gathering->rows, gathering->chosen[i], offset, n, rows[i], error));
    gathering->kind->combine(gathering->options, &tile, ret);
    return STATUS_OK;
}

enum status gathering_finish(struct gathering *gathering, size_t offset, size_t n, float *ret,
                             struct error *error)
{
    struct scratch *scratch = take_scratch(gathering);
    size_t n_reference = gathering->gathered.settling.n_reference;
    enum status status =
        scratch ? STATUS_OK
                : error_no_memory(error, gathering->columns * gathering->n_chosen * sizeof(float));
    for (size_t at = offset, some; at < offset + n && status == STATUS_OK; at += some) {
        some = offset + n - at < gathering->columns ? offset + n - at : gathering->columns;
        if (at < n_reference && some > n_reference - at)
            some = n_reference - at;
        status = finish_tile(gathering, at, some, scratch->rows, ret + (at - offset), error);
    }
    if (scratch)
        give_scratch(gathering, scratch);
    return status;
}
