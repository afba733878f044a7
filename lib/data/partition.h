// Ways to share one dataset out among learners, for experiments on one machine. Pure functions of their
// arguments and the seed.
#pragma once

#include "base/registry.h"
#include "data/format.h"

// Rows of every learner: learner i has rows[offsets[i] .. offsets[i + 1]), ascending.
struct partition {
    size_t n_learners;
    size_t *offsets; // [n_learners + 1]
    uint32_t *rows;
};

struct partition_kind {
    struct kind kind;
    // The column to group by, for kinds that need one, else NULL: groups are then classes.
    const char *(*column)(const void *options);
    bool needs_groups;
    // Fills `owner` [n_samples] with the learner of each sample. groups: [n_samples] in [0, n_groups), NULL
    // unless needs_groups.
    enum status (*share)(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error);
};

extern const struct registry partitions;

// Shares `source` out among `n_learners`; every learner gets at least one sample, or the error says which
// cannot and what to change.
enum status partition_new(struct partition *ret, const struct choice *kind, struct source *source,
                          size_t n_learners, uint64_t seed, struct error *error);
// The same for all rows but `held_out` [n_held_out], ascending, which nobody gets.
enum status partition_new_without(struct partition *ret, const struct choice *kind, struct source *source,
                                  size_t n_learners, uint64_t seed, const uint32_t *held_out,
                                  size_t n_held_out, struct error *error);
void partition_release(struct partition *partition);
