// cohort watch: an experiment's events as they happen.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/watch_experiment.h"

static enum status watch(struct remote *remote, const char *wanted, const struct watch_options *options,
                         struct error *error)
{
    char id[64];
    TRY(remote_open(remote, error));
    TRY(remote_experiment(remote, wanted, id, error));
    return watch_experiment(remote, id, options, error);
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct remote remote = {0};
    struct watch_options options = {0};
    struct texts words = {0};
    int64_t cursor = 0;
    const struct argument table[] = {
        REMOTE_ARGUMENTS(&remote),
        {"--from", ARGUMENT_COUNT, &cursor, "N", "start with event number N (default: the first)"},
        {"--only", ARGUMENT_TEXTS, &options.kinds, "KIND",
         "events of this kind, as round_committed; may be given several times"},
        {"--json", ARGUMENT_FLAG, &options.json, NULL, "print a line of JSON an event"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    options.cursor = (uint64_t)cursor;
    if (status == STATUS_OK)
        status = watch(&remote, words.n ? words.items[0] : NULL, &options, error);
    remote_close(&remote);
    memory_free(words.items);
    memory_free(options.kinds.items);
    return status;
}

const struct command command_watch = {
    .name = "watch",
    .usage = "cohort watch [EXPERIMENT] [--coordinator ADDRESS] [--wait SECONDS] [--from N]\n"
             "                    [--only KIND]... [--json]",
    .help = "Prints what happens in an experiment on a coordinator until it ends",
    .details = "Without EXPERIMENT, an id, it is the one that was created last. Past events come first.\n"
               "With --wait a coordinator that goes away is waited for, and watching goes on.\n"
               "Exits with 0 when the experiment completed.\n",
    .dials = true,
    .run = run,
};
