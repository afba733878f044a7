// An experiment's events printed until it ends: what `cohort watch` and `cohort submit --watch` do.
#pragma once

#include "base/arguments.h"
#include "cli/remote.h"

struct watch_options {
    uint64_t cursor;    // the first event wanted; 0 for all
    struct texts kinds; // of the events wanted, as "round_committed"; none: all
    bool json;          // a line of JSON an event, instead of one for people
};

// Prints on standard output. A stream that breaks is taken up again where it broke while the coordinator
// comes back within remote->wait_s. OK when the experiment completed, else what became of it.
enum status watch_experiment(const struct remote *remote, const char *experiment_id,
                             const struct watch_options *options, struct error *error);
