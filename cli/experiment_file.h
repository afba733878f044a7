// An experiment as commands are told of it: a file, and options that override what it says.
#pragma once

#include "cli/command.h"
#include "experiment/experiment.h"

// `sets` are the --set options, later ones winning; `seed` (when not negative) is --seed and wins over all.
enum status experiment_file_load(struct experiment *ret, const char *path, const struct texts *sets,
                                 int64_t seed, struct error *error);

// Reads the command line of a command that takes one experiment's file: `ret_words` holds it.
enum status experiment_file_arguments(const struct command *command, const struct argument *table, int argc,
                                      char **argv, struct texts *ret_words, struct error *error);

// Opens the experiment's data, if it names any, and checks that samples can be shared out and fit the layers.
// Appends what the model looks like.
enum status experiment_file_check(const struct experiment *experiment, struct bytes *ret,
                                  struct error *error);
