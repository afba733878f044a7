// A reducer makes one vector of many learners' summaries. One a round; folds come from several threads, in
// any order.
#pragma once

#include "base/registry.h"
#include "config/fields.h"
#include "reduce/ring.h"
#include <stddef.h>
#include <stdint.h>

struct reduction;

struct reducer_kind {
    struct kind kind;
    // True when summaries can be folded as they arrive, range by range, and forgotten; false when all of them
    // are needed at once.
    bool streams;
    enum status (*open)(const void *options, size_t n_values, void **ret, struct error *error);
    // Folds `n` values from `offset` of one summary with `weight`, a fraction of the round's weight unit. Any
    // thread; ranges of different learners may overlap in time. Values have passed ring_check.
    void (*fold)(void *state, size_t offset, const float *values, size_t n, double weight);
    // The reduced values [n] from `offset`; `weight` is the sum of the weights folded.
    void (*finish)(void *state, size_t offset, size_t n, double weight, float *ret);
    void (*reset)(void *state);
    void (*close)(void *state);
};

extern const struct registry reducers;

// A reduction over vectors of `n_values`.
enum status reduction_new(struct reduction **ret, const struct choice *reducer, size_t n_values,
                          struct error *error);
struct reduction *reduction_free(struct reduction *reduction);
// Starts over with nothing folded.
void reduction_reset(struct reduction *reduction);
void reduction_fold(struct reduction *reduction, size_t offset, const float *values, size_t n, double weight);
// Says that a whole summary of `weight` has been folded.
void reduction_add_weight(struct reduction *reduction, double weight);
double reduction_weight(const struct reduction *reduction);
// Values [n] from `offset`; ranges may be finished from several threads at once. At least one summary was
// folded.
void reduction_finish(const struct reduction *reduction, size_t offset, size_t n, float *ret);
