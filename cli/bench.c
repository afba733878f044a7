// cohort bench: measuring; its own commands are in bench_exchange.c.
#include "cli/bench.h"
#include <stddef.h>

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    static const struct command *const commands[] = {&command_bench_exchange, NULL};
    return command_choose("cohort bench", command->help, commands, argc, argv, error);
}

const struct command command_bench = {
    .name = "bench",
    .usage = "cohort bench COMMAND ...",
    .help = "Measures what a deployment would cost",
    .run = run,
};
