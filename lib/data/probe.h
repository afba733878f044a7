// Probe data: unlabelled samples that all learners share, so that they can exchange predictions on them.
#pragma once

#include "data/partition.h"

// Whether there is either a number of samples or a file.
enum status probe_check(const struct probe_options *probe, struct error *error);

// Shares the training data `source` out as the options say, without the samples that are drawn as probe.
enum status probe_partition(const struct data_options *data, struct source *source, size_t n_learners,
                            uint64_t seed, struct partition *ret, struct error *error);

// Reads the probe of `data` (which has one), next to its training data `source`; targets are there and mean
// nothing. With `samples`, the same seed gives the same ones.
enum status probe_read(const struct data_options *data, struct source *source, uint64_t seed,
                       struct dataset *ret, struct error *error);
