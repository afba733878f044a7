// What partitions share: the samples of each group, shuffled, to be taken one by one.
#pragma once

#include "base/error.h"
#include "base/philox.h"

// Group g's samples not yet taken are rows[next[g] .. end[g]).
struct pools {
    size_t n_groups;
    size_t *next, *end; // [n_groups]
    uint32_t *rows;     // [n_samples], grouped
};

// groups: [n_samples], each less than n_groups. The order within a group follows from the seed.
enum status pools_new(struct pools *ret, const uint32_t *groups, size_t n_samples, size_t n_groups,
                      uint64_t seed, struct error *error);
void pools_release(struct pools *pools);

// The stream for partitions: `learner`, `step` and `index` as the partition likes; index 0 is the pools' own.
struct random partition_random(uint64_t seed, uint32_t learner, uint32_t step, uint16_t index);

// Learner's share when `n_samples` are dealt as equally as can be: sizes differ by at most one.
size_t partition_quota(size_t n_samples, size_t n_learners, size_t learner);
