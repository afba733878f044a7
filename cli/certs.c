// cohort certs: a private authority, for trying TLS out.
#include "base/memory.h"
#include "cli/command.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

static enum status make(const char *role, const char *identity, struct certificate_request *request,
                        struct error *error)
{
    request->identity.role = role_of_name(role, strlen(role));
    if (strlen(identity) >= sizeof request->identity.name)
        return error_set(error, STATUS_INVALID_ARGUMENT, "name '%s' is too long; take 63 characters at most",
                         identity);
    snprintf(request->identity.name, sizeof request->identity.name, "%s", identity);
    TRY(certificate_make(request, error));
    printf("%s/%s.crt and .key: %s '%s'; its authority is %s/ca.crt\n", request->folder, request->name, role,
           identity, request->folder);
    return STATUS_OK;
}

static enum status run_make(const struct command *command, int argc, char **argv, struct error *error)
{
    struct certificate_request request = {.folder = "certs", .days = 365};
    const char *role = "learner", *identity = NULL;
    struct texts hosts = {0}, words = {0};
    const struct argument table[] = {
        {"--out", ARGUMENT_TEXT, &request.folder, "DIR", "where the files go (default certs)"},
        {"--name", ARGUMENT_TEXT, &request.name, "NAME", "of the files NAME.crt and NAME.key"},
        {"--role", ARGUMENT_TEXT, &role, "ROLE", "learner (the default), relay, user or reader"},
        {"--identity", ARGUMENT_TEXT, &identity, "NAME",
         "the name that it states (default that of the files); a learner's may end in *"},
        {"--host", ARGUMENT_TEXTS, &hosts, "HOST", "a name or address it serves at; may be repeated"},
        {"--days", ARGUMENT_COUNT, &request.days, "N", "it is good for (default 365; 0: it has expired)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 0, error);
    if (status == STATUS_OK && !request.name)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "--name is needed; usage: %s", command->usage);
    request.hosts = hosts.items;
    request.n_hosts = hosts.n;
    if (status == STATUS_OK)
        status = make(role, identity ? identity : request.name, &request, error);
    memory_free(hosts.items);
    memory_free(words.items);
    return status;
}

static const struct command command_make = {
    .name = "make",
    .usage = "cohort certs make --name NAME [--out DIR] [--role ROLE] [--identity NAME] [--host HOST]...",
    .help = "Makes a certificate, and its authority when there is none yet",
    .run = run_make,
};

static enum status revoke(const char *folder, const char *name, struct error *error)
{
    int n = 0;
    TRY(certificate_revoke(folder, name, &n, error));
    printf("%s/ca.crl lists %s.crt, %d in all; services read it as tls.crl\n", folder, name, n);
    return STATUS_OK;
}

static enum status run_revoke(const struct command *command, int argc, char **argv, struct error *error)
{
    const char *folder = "certs", *name = NULL;
    struct texts words = {0};
    const struct argument table[] = {
        {"--out", ARGUMENT_TEXT, &folder, "DIR", "where the authority's files are (default certs)"},
        {"--name", ARGUMENT_TEXT, &name, "NAME", "of the file NAME.crt"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 0, error);
    if (status == STATUS_OK && !name)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "--name is needed; usage: %s", command->usage);
    if (status == STATUS_OK)
        status = revoke(folder, name, error);
    memory_free(words.items);
    return status;
}

static const struct command command_revoke = {
    .name = "revoke",
    .usage = "cohort certs revoke --name NAME [--out DIR]",
    .help = "Adds a certificate to ca.crl, its authority's list of those that are good no more",
    .run = run_revoke,
};

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    static const struct command *const commands[] = {&command_make, &command_revoke, NULL};
    return command_choose("cohort certs", command->help, commands, argc, argv, error);
}

const struct command command_certs = {
    .name = "certs",
    .usage = "cohort certs COMMAND ...",
    .help = "Makes and revokes certificates of a private authority, for trying out",
    .run = run,
};
