// What the services' main functions share: their command line, settings, log, and how they end.
#pragma once

#include "config/service.h"
#include "config/settings.h"

// What every service's command line may hold.
struct program_arguments {
    const char *config;
    struct texts overrides;
    bool end_with_parent;
    int64_t announce_fd; // -1: none
};

struct program {
    const char *name;              // "cohort-learner"
    const char *about;             // a sentence or two for --help
    const struct field *fields;    // of the settings; from the environment as COHORT_SECTION_KEY
    void *target;                  // that they fill, zeroed
    const struct log_options *log; // in the target
    struct program_arguments *arguments;
    struct argument own; // an option of this program alone; no name: none
    enum status (*serve)(void *service, struct error *error); // until told to stop
    void *service;
};

// Reads the command line and the settings, serves, and prints what went wrong; or answers --help or
// --version. Returns the exit code.
int program_main(const struct program *program, int argc, char **argv);

// Logs a call that was refused, for rpc_runtime_secure.
void program_log_refusal(const char *who, const char *method, const char *peer, const char *why);

// Writes a line to the announce descriptor, if any, and closes it: how a parent learns the port.
void program_announce(const struct program_arguments *arguments, const char *line);
