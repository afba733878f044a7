// A reducer makes one vector of many learners' summaries. One a round; folds come from several threads, in
// any order, and the bytes of the result do not depend on it: values are folded as integers (reduce/ring.h),
// and weights are whole numbers of samples, whose sum is exact.
#pragma once

#include "base/registry.h"
#include "config/fields.h"
#include "reduce/ring.h"
#include <stddef.h>
#include <stdint.h>

struct pool;
struct reduction;

// A summary's weight is 1 to this; a round folds at most RING_TERMS_MAX summaries.
#define REDUCTION_WEIGHT_MAX (UINT64_C(1) << 48)

// Whose summary it is, and what it counts for.
struct contribution {
    uint32_t source; // the learner's number in the experiment
    uint64_t weight; // samples behind it
    // 1, or less for a stale summary: its values count for discount times its weight, while the total counts
    // the whole weight, as in the mean over the buffer of FedBuff (Nguyen 2022, Algorithm 1).
    double discount;
};

// Where a reducer that needs all summaries at once keeps them.
struct reduction_room {
    size_t memory_bytes; // those beyond lie in a file
    const char *folder;  // of that file, which has no name there; NULL: $TMPDIR, or /tmp
};

// What the end of the collection brings.
struct settling {
    // What summaries lie around, as weights do around the round's model: values [n_reference], the rest lies
    // around zero. Stays in place until the last range is finished; a range's own values may be overwritten
    // once it is.
    const float *reference;
    size_t n_reference;
    struct pool *pool; // for help with passes over all summaries; NULL: this thread alone
};

struct gathered;
struct tile;

struct reducer_kind {
    struct kind kind;
    // Refuses options with which `least` summaries, or `most`, cannot be reduced: INVALID_ARGUMENT. NULL: any
    // number will do.
    enum status (*check_learners)(const void *options, size_t least, size_t most, struct error *error);
    // True when summaries are folded as they arrive, range by range, and forgotten: such a kind has the five
    // functions from `open` on. False when all of them are needed at once: then the two from `settle` on.
    bool streams;
    enum status (*open)(const void *options, size_t n_values, void **ret, struct error *error);
    // Folds `n` values from `offset` of one summary, each times `scale` (its weight in the round's unit); a
    // negative scale takes back what was folded. The floats lie at any address, as they were received. The
    // reduction holds the range's lock. On failure (a value that is not finite or out of range) the state is
    // as before.
    enum status (*fold)(void *state, size_t offset, const void *values, size_t n, double scale,
                        struct error *error);
    // The reduced values [n] from `offset`; `total` is the sum of the weights folded, in the round's unit.
    void (*finish)(const void *state, size_t offset, size_t n, double total, float *ret);
    // Makes values [n] from `offset` as if nothing had been folded; under the range's lock.
    void (*reset)(void *state, size_t offset, size_t n);
    void (*close)(void *state);
    // The ring's sums [n_values] that everything comes from, when a reduction of partial sums is that of all
    // summaries, as relays need. NULL: it is not so.
    int64_t *(*sums)(void *state);
    // Once all summaries are there (reduce/gathered.h): decides what each counts for. NULL: the same.
    enum status (*settle)(const void *options, struct gathered *gathered, struct error *error);
    // The reduced values [n] of a tile of the summaries that count; from several threads.
    void (*combine)(const void *options, const struct tile *tile, float *ret);
};

extern const struct registry reducers;

// A reduction over vectors of `n_values`, weight unit 1. `room` may be NULL: memory without a bound.
enum status reduction_new(struct reduction **ret, const struct choice *reducer, size_t n_values,
                          const struct reduction_room *room, struct error *error);
struct reduction *reduction_free(struct reduction *reduction);
// Starts over with nothing folded. `weight_unit`: samples that count as weight 1.0 in the ring, at least 1
// and the same for everyone in a round, whoever turns up: the mean number of samples of a learner serves
// well. It moves the range and the resolution (2^-36 of a value at weight 1.0), not the mean. Not while
// others fold.
void reduction_reset(struct reduction *reduction, uint64_t weight_unit);
// Folds values [n] from `offset` of the summary that `from` tells of. From any thread; ranges of different
// sources may overlap in time. Each range of a summary is folded once. All or nothing: INVALID_ARGUMENT says
// which value is not finite, OUT_OF_RANGE which one is too large, or that the weight, the range or the number
// of summaries is not possible, and nothing was folded. Where the reducer streams, the floats may lie at any
// address.
enum status reduction_fold(struct reduction *reduction, size_t offset, const void *values, size_t n,
                           const struct contribution *from, struct error *error);
// Takes back exactly what such a fold of the same values added. Only where the reducer streams.
void reduction_unfold(struct reduction *reduction, size_t offset, const void *values, size_t n,
                      const struct contribution *from);
// Gives up a summary of which only a part came, or which turns out to be bad. False when that is not possible
// without its values: where the reducer streams.
bool reduction_forget(struct reduction *reduction, const struct contribution *from);
// How far a summary that is folded but not counted yet lies from `reference` [n_reference] and, beyond that,
// from zero. UNIMPLEMENTED where the reducer streams.
enum status reduction_distance(const struct reduction *reduction, const struct contribution *from,
                               const float *reference, size_t n_reference, double *ret, struct error *error);
// Says that a whole summary has been folded. From any thread.
void reduction_count(struct reduction *reduction, const struct contribution *from);

// ---- partial sums: what a relay has folded, for another reduction of the same weight unit ---------------

// The sums [n_values] of the whole summaries that were counted; at least one was. They change with folds and
// resets. Only where the reducer has sums.
const int64_t *reduction_sums(struct reduction *reduction);
// Adds sums [n] from `offset` of a partial sum of `n_summaries`. All or nothing: OUT_OF_RANGE when a sum is
// larger than so many summaries can make it, or when it is too many. From any thread, as reduction_fold.
enum status reduction_fold_sums(struct reduction *reduction, size_t offset, const int64_t *sums, size_t n,
                                uint32_t n_summaries, struct error *error);
// Says that a whole partial sum has been folded, behind which are `weight` samples.
void reduction_count_sums(struct reduction *reduction, uint32_t n_summaries, uint64_t weight);

// ---- the end of the collection --------------------------------------------------------------------------

// The number of whole summaries, and the sum of their weights in samples.
size_t reduction_n_summaries(const struct reduction *reduction);
uint64_t reduction_weight(const struct reduction *reduction);
// After the last fold, before the first range is finished. FAILED_PRECONDITION when no summary came,
// INVALID_ARGUMENT when fewer did than the reducer's options need.
enum status reduction_settle(struct reduction *reduction, const struct settling *settling,
                             struct error *error);
// Values [n] from `offset`; ranges may be finished from several threads at once.
enum status reduction_finish(const struct reduction *reduction, size_t offset, size_t n, float *ret,
                             struct error *error);
