// cohort submit: an experiment for a coordinator that runs already.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/experiment_file.h"
#include "cli/steer.h"
#include "cli/watch_experiment.h"
#include <stdio.h>

struct submission {
    struct remote remote;
    const char *file, *request_id;
    struct texts sets;
    int64_t seed;
    bool watch;
};

static enum status send(struct submission *it, const struct experiment *experiment, struct error *error)
{
    char id[64];
    TRY(remote_open(&it->remote, error));
    TRY(steer_create(it->remote.channel, experiment, it->request_id, id, error));
    printf("%s\n", id);
    fflush(stdout);
    return it->watch ? watch_experiment(&it->remote, id, &(struct watch_options){0}, error) : STATUS_OK;
}

static enum status submit(struct submission *it, struct error *error)
{
    struct experiment experiment = EXPERIMENT_INIT;
    enum status status = experiment_file_load(&experiment, it->file, &it->sets, it->seed, error);
    if (status == STATUS_OK)
        status = send(it, &experiment, error);
    experiment_release(&experiment);
    return status;
}

static enum status read_arguments(struct submission *it, const struct command *command,
                                  const struct argument *table, int argc, char **argv, struct texts *words,
                                  struct error *error)
{
    TRY(arguments_read(table, argc, argv, words, it->file ? 0 : 1, error));
    if (it->file && words->n)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' and -f '%s' are two files; submit them one after the other", words->items[0],
                         it->file);
    if (words->n)
        it->file = words->items[0];
    if (!it->file)
        return error_set(error, STATUS_INVALID_ARGUMENT, "an experiment's file is needed; usage: %s",
                         command->usage);
    return STATUS_OK;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct submission it = {.request_id = "", .seed = -1};
    struct texts words = {0};
    const struct argument table[] = {
        {"-f", ARGUMENT_TEXT, &it.file, "FILE", "the experiment's file, as an option"},
        REMOTE_ARGUMENTS(&it.remote),
        {"--request-id", ARGUMENT_TEXT, &it.request_id, "TEXT",
         "submitting again with the same text finds the experiment instead of creating another"},
        {"--seed", ARGUMENT_COUNT, &it.seed, "N", "override the experiment's seed"},
        {"--set", ARGUMENT_TEXTS, &it.sets, "KEY.PATH=VALUE",
         "override an option; may be given several times"},
        {"--watch", ARGUMENT_FLAG, &it.watch, NULL, "then do as `cohort watch`"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = read_arguments(&it, command, table, argc, argv, &words, error);
    if (status == STATUS_OK)
        status = submit(&it, error);
    remote_close(&it.remote);
    memory_free(words.items);
    memory_free(it.sets.items);
    return status;
}

const struct command command_submit = {
    .name = "submit",
    .usage = "cohort submit FILE [--coordinator ADDRESS] [--wait SECONDS] [--request-id TEXT] [--seed N]\n"
             "                     [--set KEY.PATH=VALUE]... [--watch]",
    .help = "Creates an experiment on a coordinator that runs already, and prints its id",
    .details = "The file is checked here, but for its data, which the learners have.\n",
    .dials = true,
    .run = run,
};
