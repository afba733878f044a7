// cohort model: models that a coordinator holds.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/download.h"
#include "cli/remote.h"
#include <stdio.h>

static enum status download(struct remote *remote, const char *wanted, int64_t round, const char *path,
                            struct error *error)
{
    char id[64], sha256[SHA256_HEX_BYTES];
    if (round >= UINT32_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "--round %lld is more than an experiment has; leave it out for the last one",
                         (long long)round);
    TRY(remote_open(remote, error));
    TRY(remote_experiment(remote, wanted, id, error));
    TRY(download_model(remote->channel, id, round < 0 ? UINT32_MAX : (uint32_t)round, path, sha256, error));
    printf("%s  %s\n", sha256, path);
    return STATUS_OK;
}

static enum status run_download(const struct command *command, int argc, char **argv, struct error *error)
{
    struct remote remote = {0};
    struct texts words = {0};
    const char *out = "model.safetensors";
    int64_t round = -1;
    const struct argument table[] = {
        REMOTE_ARGUMENTS(&remote),
        {"--out", ARGUMENT_TEXT, &out, "FILE", "where to write it (default model.safetensors)"},
        {"--round", ARGUMENT_COUNT, &round, "N", "the round whose model is wanted (default the last)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK)
        status = download(&remote, words.n ? words.items[0] : NULL, round, out, error);
    remote_close(&remote);
    memory_free(words.items);
    return status;
}

static const struct command command_model_download = {
    .name = "download",
    .usage = "cohort model download [EXPERIMENT] [--out FILE] [--round N] [--coordinator ADDRESS]\n"
             "                             [--wait SECONDS]",
    .help = "Fetches a committed round's model as a safetensors file",
    .details =
        "Without EXPERIMENT, an id, it is the one that was created last. The file is written aside,\n"
        "checked against the hash that the coordinator tells, and then renamed; printed as `sha256sum`\n"
        "prints it.\n",
    .dials = true,
    .run = run_download,
};

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    static const struct command *const commands[] = {&command_model_download, NULL};
    return command_choose("cohort model", command->help, commands, argc, argv, error);
}

const struct command command_model = {
    .name = "model",
    .usage = "cohort model COMMAND ...",
    .help = "Fetches models that a coordinator holds",
    .run = run,
};
