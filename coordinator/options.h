// What a coordinator is told at its start, from a file, the environment and the command line.
#pragma once

#include "config/service.h"

struct coordinator_options {
    struct text_list listen; // addresses
    const char *relay_of; // a coordinator, or another relay: this process only relays; NULL: it coordinates
    const char *state_folder; // journal and models, from which the process goes on; NULL: memory alone
    int64_t keep_models;      // of an experiment, in the state folder; 0: all
    int64_t upload_bytes;     // of summaries that come slowly, in the state folder
    bool sync;                // what is kept there is on disk before anyone is told
    bool read_data;   // experiments may name files that the coordinator reads (test data, initial weights)
    int64_t lease_ms; // silence for longer means that a learner is lost
    int64_t drain_ms; // how long TERM lets calls under way go on
    int64_t max_learners;
    int64_t max_learners_a_peer; // 0: half of them, this machine's own aside
    int64_t max_experiments;
    int64_t max_experiments_a_user; // that are not over; 0: any number
    int64_t buffer_bytes; // summaries held back or gathered; beyond, they are folded at once or lie in a file
    int64_t max_model_bytes; // parameters
    int64_t max_messages;    // of a learner on its control stream, a second; 0: any number
    int64_t max_watchers;    // 0: any number
    int64_t max_streams;     // of a connection at once; 0: any number
    int64_t max_connections, max_connections_a_host; // 0: what descriptors allow, and half of that
    int64_t max_calls_a_host, max_unread_a_host;
    int64_t calls_a_second, exchanges_a_second; // of a peer; 0: any number
    int64_t max_received_bytes;                 // by transports, in all; 0: half of the memory
    int64_t threads;                            // queue threads; 0: one a core, at most 4
    struct service_options common;
};

extern const struct field coordinator_fields[];
