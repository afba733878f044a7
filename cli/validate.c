// cohort validate: says what is wrong with an experiment before anything starts.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/experiment_file.h"
#include <stdio.h>

static enum status validate(const char *path, const struct texts *sets, struct error *error)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct bytes text = BYTES_INIT, shapes = BYTES_INIT;
    TRY(experiment_file_load(&experiment, path, sets, -1, error));
    enum status status = experiment_file_check(&experiment, &shapes, error);
    if (status == STATUS_OK && !shapes.failed)
        fputs(shapes.data, stderr);
    if (status == STATUS_OK) {
        experiment_dump(&experiment, &text);
        status = text.failed ? error_no_memory(error, text.n) : STATUS_OK;
    }
    if (status == STATUS_OK)
        fputs(text.data, stdout);
    bytes_release(&text);
    bytes_release(&shapes);
    experiment_release(&experiment);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct texts sets = {0}, words = {0};
    const struct argument table[] = {
        {"--set", ARGUMENT_TEXTS, &sets, "KEY.PATH=VALUE", "override an option; may be given several times"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = experiment_file_arguments(command, table, argc, argv, &words, error);
    if (status == STATUS_OK)
        status = validate(words.items[0], &sets, error);
    memory_free(words.items);
    memory_free(sets.items);
    return status;
}

const struct command command_validate = {
    .name = "validate",
    .usage = "cohort validate FILE [--set KEY.PATH=VALUE]...",
    .help = "Checks an experiment and its data, and prints it with every default spelled out",
    .details = "Nothing is started or written. The layers and their shapes go to standard error.\n",
    .run = run,
};
