// cohort token: the join tokens that a coordinator, relay or learner accepts, in its `tokens` file.
#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "rpc/security.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "30d", "12h", "10m", "60s".
static enum status read_lifetime(const char *text, int64_t *ret_s, struct error *error)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    char *end;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (n > 0 && n < 1000000 && end[0] == units[i].unit && !end[1]) {
            *ret_s = n * units[i].s;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_INVALID_ARGUMENT, "--expires '%s' must be as 30d, 12h, 10m or 60s", text);
}

struct request {
    const char *file, *role, *learner, *name, *expires, *id;
};

static enum status create(const struct request *request, struct error *error)
{
    struct identity identity = {.role = role_of_name(request->role, strlen(request->role))};
    const char *name = identity.role == ROLE_LEARNER ? request->learner : request->name;
    char token[TOKEN_BYTES];
    int64_t lifetime_s = 0;
    if (!name)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "whose token is it? give --learner NAME for a learner, --name NAME for others");
    if (strlen(name) >= sizeof identity.name)
        return error_set(error, STATUS_INVALID_ARGUMENT, "name '%s' is too long; take 63 characters at most",
                         name);
    snprintf(identity.name, sizeof identity.name, "%s", name);
    if (request->expires)
        TRY(read_lifetime(request->expires, &lifetime_s, error));
    TRY(token_create(request->file, &identity, lifetime_s, token, error));
    printf("%s\n", token);
    return STATUS_OK;
}

static enum status list(const struct request *request, struct error *error)
{
    cleanup_free struct token_record *records = NULL;
    size_t n;
    char created[32], expires[32];
    int64_t now_s = clock_unix_ms() / 1000;
    TRY(token_list(request->file, &records, &n, error));
    printf("%-12s  %-8s  %-24s  %-24s  %-24s  %s\n", "id", "role", "name", "created", "expires", "state");
    for (size_t i = 0; i < n; i++) {
        const struct token_record *record = &records[i];
        bool expired = record->expires_s && now_s >= record->expires_s;
        clock_format_utc(record->created_s * 1000, created);
        snprintf(expires, sizeof expires, "never");
        if (record->expires_s)
            clock_format_utc(record->expires_s * 1000, expires);
        printf("%-12s  %-8s  %-24s  %-24s  %-24s  %s\n", record->id, role_name(record->identity.role),
               record->identity.name, created, expires,
               record->revoked_s ? "revoked"
               : expired         ? "expired"
                                 : "good");
    }
    return STATUS_OK;
}

static enum status revoke_one(const struct request *request, struct error *error)
{
    if (!request->id)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "which one? give an id; `cohort token list` tells it");
    TRY(token_revoke(request->file, request->id, error));
    printf("revoked %s\n", request->id);
    return STATUS_OK;
}

static enum status with_request(const struct command *command, int argc, char **argv, struct error *error,
                                enum status (*act)(const struct request *request, struct error *error))
{
    struct request request = {.file = "tokens", .role = "learner"};
    struct texts words = {0};
    const struct argument table[] = {
        {"--file", ARGUMENT_TEXT, &request.file, "FILE", "the service's `tokens` file (default tokens)"},
        {"--role", ARGUMENT_TEXT, &request.role, "ROLE", "create: learner (default), relay, user or reader"},
        {"--learner", ARGUMENT_TEXT, &request.learner, "NAME",
         "create: the learner that it is for; NAME* for all whose names begin so"},
        {"--name", ARGUMENT_TEXT, &request.name, "NAME", "create: who else it is for"},
        {"--expires", ARGUMENT_TEXT, &request.expires, "TIME", "create: after 30d, 12h, 10m (default never)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK) {
        request.id = words.n ? words.items[0] : NULL;
        status = act(&request, error);
    }
    memory_free(words.items);
    return status;
}

static enum status run_create(const struct command *command, int argc, char **argv, struct error *error)
{
    return with_request(command, argc, argv, error, create);
}

static enum status run_list(const struct command *command, int argc, char **argv, struct error *error)
{
    return with_request(command, argc, argv, error, list);
}

static enum status run_revoke(const struct command *command, int argc, char **argv, struct error *error)
{
    return with_request(command, argc, argv, error, revoke_one);
}

static const struct command command_create = {
    .name = "create",
    .usage = "cohort token create --file FILE (--learner NAME | --role ROLE --name NAME) [--expires 30d]",
    .help = "Makes a token and prints it, this once; the file keeps its hash alone",
    .run = run_create,
};

static const struct command command_list = {
    .name = "list",
    .usage = "cohort token list --file FILE",
    .help = "Tells which tokens there are",
    .run = run_list,
};

static const struct command command_revoke = {
    .name = "revoke",
    .usage = "cohort token revoke ID --file FILE",
    .help = "Makes a token good for nothing from the next call on",
    .run = run_revoke,
};

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    static const struct command *const commands[] = {&command_create, &command_list, &command_revoke, NULL};
    return command_choose("cohort token", command->help, commands, argc, argv, error);
}

const struct command command_token = {
    .name = "token",
    .usage = "cohort token create|list|revoke ...",
    .help = "Makes, lists and revokes the join tokens that a service accepts",
    .run = run,
};
