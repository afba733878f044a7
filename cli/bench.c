// cohort bench: measuring; its own commands are in bench_exchange.c.
#include "cli/bench.h"
#include "base/memory.h"
#include "base/registry.h"
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {&command_bench_exchange};

static enum status unknown_command(const char *name, struct error *error)
{
    const char *names[ARRAY_SIZE(commands)];
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        names[i] = commands[i]->name;
    const char *near = nearest_word(name, names, ARRAY_SIZE(names));
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "unknown command 'bench %s'%s%s%s; `cohort bench --help` lists them", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        printf("%s: %s.\n\nUsage: %s\n\nCommands:\n", command->name, command->help, command->usage);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
            printf("  %-10s %s\n", commands[i]->name, commands[i]->help);
        printf("\n`cohort bench COMMAND --help` tells more of each.\n");
        return argc < 2 ? error_set(error, STATUS_INVALID_ARGUMENT, "a command is needed") : STATUS_OK;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, argv[1]) == 0)
            return commands[i]->run(commands[i], argc - 1, argv + 1, error);
    return unknown_command(argv[1], error);
}

const struct command command_bench = {
    .name = "bench",
    .usage = "cohort bench COMMAND ...",
    .help = "Measures what a deployment would cost",
    .run = run,
};
