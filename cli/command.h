// A command of the `cohort` program: one file and one row in commands.def.
#pragma once

#include "base/arguments.h"
#include "base/error.h"
#include <stdbool.h>

struct command {
    const char *name;
    const char *usage;   // "cohort run FILE [--out DIR] ..."
    const char *help;    // one sentence, without the closing full stop
    const char *details; // more for its own --help, or NULL
    bool dials;          // servers that may ask who it is: it has the options of cli/access.h too
    // Reads argv (argv[0] is the command's name) and does the work. An error is printed by main, once.
    enum status (*run)(const struct command *command, int argc, char **argv, struct error *error);
};

// Prints the usage, the details and a line an option on standard output.
void command_help(const struct command *command, const struct argument *table);

// Runs the one of `rows` (closed by NULL) that argv[1] names, with argv from there on; --help lists them.
// `path` is what leads to them: "cohort data". An error names the nearest when there is no such command.
enum status command_choose(const char *path, const char *about, const struct command *const *rows, int argc,
                           char **argv, struct error *error);
