#include "base/memory.h"
#include "cli/access.h"
#include "cli/command.h"
#include "rpc/rpc.h"
#include <stdio.h>

static enum status check(const char *address, const char *service, int64_t timeout_ms, struct error *error)
{
    struct rpc_runtime *runtime = NULL;
    TRY(rpc_runtime_new(&runtime, 1, error));
    enum status status = access_apply(runtime, error);
    if (status == STATUS_OK)
        status = rpc_health_check(runtime, address, service, timeout_ms, error);
    if (status == STATUS_OK)
        printf("serving\n");
    rpc_runtime_free(runtime);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    const char *service = "";
    int64_t timeout_ms = 2000;
    const struct argument table[] = {
        {"--service", ARGUMENT_TEXT, &service, "NAME", "ask about one service instead of the whole server"},
        {"--timeout-ms", ARGUMENT_COUNT, &timeout_ms, "N", "how long to wait for the answer (default 2000)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    struct texts words = {0};
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK && words.n == 0)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "an address is needed; usage: %s", command->usage);
    if (status == STATUS_OK)
        status = check(words.items[0], service, timeout_ms, error);
    memory_free(words.items);
    return status;
}

const struct command command_health = {
    .name = "health",
    .usage = "cohort health ADDRESS [--service NAME] [--timeout-ms N]",
    .help = "Exits with 0 when the server at ADDRESS is serving",
    .dials = true,
    .run = run,
};
