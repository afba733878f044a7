// An experiment as commands are told of it: a file, and options that override what it says.
#pragma once

#include "base/arguments.h"
#include "experiment/experiment.h"

// `sets` are the --set options, later ones winning; `seed` (when not negative) is --seed and wins over all.
enum status experiment_file_load(struct experiment *ret, const char *path, const struct texts *sets,
                                 int64_t seed, struct error *error);
