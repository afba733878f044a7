// What a learner's process is told at its start, from a file, the environment and the command line.
#pragma once

#include "config/service.h"
#include "data/format.h"

struct learner_options {
    const char *name;        // NULL: the host's name
    int64_t number_from;     // with learners > 1, or when 0 or more: names end in -N from this number on
    int64_t learners;        // hosted by this process
    const char *coordinator; // address
    const char *listen;      // where the learner's own service is offered; NULL: nowhere
    const char *advertise;   // where others reach it; NULL: as `listen`, with the port that it came to
    bool has_data;
    struct data_options data; // this learner's own, private data
    bool keep_place;          // when stopped: lost, not left
    bool use_experiment_data; // take a part of the experiment's data instead, as under `cohort run`
    int64_t threads;          // that train; 0: one a core
    int64_t retry_most_ms;    // longest pause before trying to connect again
    const char *state_folder; // what outlives the process; NULL: nothing
    struct service_options common;
};

extern const struct field learner_fields[];
