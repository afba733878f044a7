// The `cohort` program: finds the command and prints what went wrong.
#include "base/log.h"
#include "base/memory.h"
#include "base/registry.h"
#include "cli/command.h"
#include <stdio.h>
#include <string.h>

#define X(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef X

static const struct command *const commands[] = {
#define X(name) &command_##name,
#include "cli/commands.def"
#undef X
    NULL,
};

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
    if (!text.failed)
        fputs(text.data, stdout);
    bytes_release(&text);
}

static void print_help(void)
{
    printf("cohort: collaborative learning among independent learners.\n\nUsage: cohort COMMAND "
           "...\n\nCommands:\n");
    for (const struct command *const *row = commands; *row; row++)
        printf("  %-10s %s\n", (*row)->name, (*row)->help);
    printf("\n`cohort COMMAND --help` tells more of each. `cohort --version` prints the version.\n");
}

static enum status unknown_command(const char *name, struct error *error)
{
    const char *names[ARRAY_SIZE(commands)];
    size_t n = 0;
    for (; commands[n]; n++)
        names[n] = commands[n]->name;
    const char *near = nearest_word(name, names, n);
    return error_set(error, STATUS_INVALID_ARGUMENT, "unknown command '%s'%s%s%s; `cohort --help` lists them",
                     name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum status dispatch(int argc, char **argv, struct error *error)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return argc < 2 ? error_set(error, STATUS_INVALID_ARGUMENT, "a command is needed") : STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cohort %s\n", COHORT_VERSION);
        return STATUS_OK;
    }
    for (const struct command *const *row = commands; *row; row++)
        if (strcmp((*row)->name, argv[1]) == 0)
            return (*row)->run(*row, argc - 1, argv + 1, error);
    return unknown_command(argv[1], error);
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    memory_tune_for_streams();
    log_open("cohort", LOG_INFO, LOG_AUTO);
    enum status status = dispatch(argc, argv, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "cohort: %s\n", error.message);
    return status_exit_code(status);
}
