// cohort data: everything about datasets; its own commands are in data_make.c, data_inspect.c,
// data_partition.c.
#include "cli/data.h"
#include <stddef.h>

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    static const struct command *const commands[] = {&command_data_make, &command_data_inspect,
                                                     &command_data_partition, NULL};
    return command_choose("cohort data", command->help, commands, argc, argv, error);
}

const struct command command_data = {
    .name = "data",
    .usage = "cohort data COMMAND ...",
    .help = "Makes, shows and shares out datasets",
    .run = run,
};
