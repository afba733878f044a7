// cohort help: the reference that the option rows make, as Markdown. docs/ holds what it prints.
#include "base/memory.h"
#include "cli/command.h"
#include "experiment/experiment.h"
#include <stdio.h>
#include <string.h>

static const char introduction[] =
    "# The experiment file\n"
    "Made by `cohort help experiment` from the rows that read the file; edit those, not this page.\n"
    "\n"
    "An experiment is one YAML file. Unknown keys, wrong types and impossible values are refused before "
    "anything "
    "starts, with file, line and column; `cohort validate FILE` checks one and prints it with every default "
    "spelled "
    "out, and `--set key.path=value` overrides an option (`--set training.optimizer.learning_rate=0.05`, "
    "list items by "
    "number: `--set model.layers.0.dense.units=64`). Relative paths start at the current folder, not at the "
    "file's.\n"
    "\n"
    "Where one kind is chosen (a layer, an optimizer, a codec), these say the same: the word alone when "
    "every option "
    "may keep its default, `codec: f32`; a map with the word as `kind`, `optimizer: {kind: sgd, "
    "learning_rate: 0.1}`; "
    "a map of one entry, `dense: {units: 10}`. Numbers stand without quotes; durations as 250ms, 60s, 5m or "
    "2h.\n"
    "\n"
    "Anchors, aliases, tags and several documents in one file are not read.\n"
    "\n"
    "## Keys\n";

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    if (arguments_want_help(argc, argv)) {
        command_help(command, NULL);
        return STATUS_OK;
    }
    if (argc != 2 || strcmp(argv[1], "experiment") != 0)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "one topic is needed, of: experiment; usage: %s (`cohort --help` lists the commands)",
            command->usage);
    struct bytes text = BYTES_INIT;
    bytes_text(&text, introduction);
    fields_reference(experiment_fields, &text);
    enum status status = text.failed ? error_no_memory(error, text.n) : STATUS_OK;
    if (status == STATUS_OK)
        fwrite(text.data, 1, text.n - 1, stdout); // without the empty line at the end
    bytes_release(&text);
    return status;
}

const struct command command_topics = {
    .name = "help",
    .usage = "cohort help experiment",
    .help = "Explains every key of an experiment file",
    .run = run,
};
