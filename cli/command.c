#include "cli/command.h"
#include "base/registry.h"
#include "cli/access.h"
#include <stdio.h>
#include <string.h>

enum { COMMANDS_MAX = 64 };

void command_help(const struct command *command, const struct argument *table)
{
    struct bytes text = BYTES_INIT;
    bytes_format(&text, "%s: %s.\n\nUsage: %s\n", command->name, command->help, command->usage);
    if (command->details)
        bytes_format(&text, "\n%s", command->details);
    if (table && table->name) {
        bytes_text(&text, "\nOptions:\n");
        arguments_help(table, &text);
    }
    if (command->dials) {
        bytes_text(&text, "\nTowards a server with TLS (docs/security.md), also from the environment:\n");
        arguments_help(access_arguments, &text);
    }
    if (!text.failed)
        fputs(text.data, stdout);
    bytes_release(&text);
}

static void list(const char *path, const char *about, const struct command *const *rows)
{
    printf("%s: %s.\n\nUsage: %s COMMAND ...\n\nCommands:\n", path, about, path);
    for (; *rows; rows++)
        printf("  %-10s %s\n", (*rows)->name, (*rows)->help);
    printf("\n`%s COMMAND --help` tells more of each.\n", path);
}

static enum status unknown(const char *path, const char *name, const struct command *const *rows,
                           struct error *error)
{
    const char *names[COMMANDS_MAX];
    size_t n = 0;
    for (; n < COMMANDS_MAX && rows[n]; n++)
        names[n] = rows[n]->name;
    const char *near = nearest_word(name, names, n);
    return error_set(error, STATUS_INVALID_ARGUMENT, "unknown command '%s'%s%s%s `%s --help` lists them",
                     name, near ? "; did you mean '" : "", near ? near : ";", near ? "'?" : "", path);
}

enum status command_choose(const char *path, const char *about, const struct command *const *rows, int argc,
                           char **argv, struct error *error)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        list(path, about, rows);
        return argc < 2 ? error_set(error, STATUS_INVALID_ARGUMENT, "a command is needed") : STATUS_OK;
    }
    for (const struct command *const *row = rows; *row; row++)
        if (strcmp((*row)->name, argv[1]) == 0)
            return (*row)->run(*row, argc - 1, argv + 1, error);
    return unknown(path, argv[1], rows, error);
}
