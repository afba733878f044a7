// What the services' main functions share: their command line, settings, log.
#pragma once

#include "config/settings.h"

struct program {
    const char *name;           // "cohort-learner"
    const char *about;          // a sentence or two for --help
    const char *prefix;         // of environment variables: "COHORT"
    const struct field *fields; // of the settings
    void *target;               // that they fill, zeroed
};

struct program_arguments {
    const char *config;
    struct texts overrides;
    bool end_with_parent;
    int64_t announce_fd; // -1: none
};

// Reads the command line and the settings. `ret_done` is set when --help or --version was asked for and
// answered: the program then ends with success.
enum status program_open(const struct program *program, int argc, char **argv, struct settings *settings,
                         struct program_arguments *arguments, bool *ret_done, struct error *error);
void program_close(struct settings *settings, struct program_arguments *arguments);

// Writes a line to the announce descriptor, if any, and closes it: how a parent learns the port.
void program_announce(const struct program_arguments *arguments, const char *line);
