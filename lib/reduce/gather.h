// Summaries gathered for reducers that need all of a round's at once: a row each (reduce/rows.h), by source.
// The half of a reduction (reduce/reducer.h) that does not stream; functions not told of here are as there.
#pragma once

#include "reduce/reducer.h"

struct gathering;

enum status gathering_new(struct gathering **ret, const struct choice *reducer, size_t n_values,
                          const struct reduction_room *room, struct error *error);
struct gathering *gathering_free(struct gathering *gathering);
void gathering_reset(struct gathering *gathering);
// The values are finite and fit.
enum status gathering_fold(struct gathering *gathering, size_t offset, const float *values, size_t n,
                           const struct contribution *from, struct error *error);
// The summary of its source that came last is whole.
void gathering_count(struct gathering *gathering, const struct contribution *from);
// Gives up the summary of `source` that is not whole, if there is one.
void gathering_forget(struct gathering *gathering, uint32_t source);
// NOT_FOUND when no summary of `source` is under way.
enum status gathering_distance(struct gathering *gathering, uint32_t source, const float *reference,
                               size_t n_reference, double *ret, struct error *error);
enum status gathering_settle(struct gathering *gathering, const struct settling *settling,
                             struct error *error);
enum status gathering_finish(struct gathering *gathering, size_t offset, size_t n, float *ret,
                             struct error *error);
