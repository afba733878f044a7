// cohort learners remove: ends what learners do for a coordinator, and frees the places that it keeps for
// them.
#include "base/memory.h"
#include "cli/learners.h"
#include "cli/remote.h"
#include "cli/steer.h"
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 1000 };

static enum status remove_one(const struct remote *remote, const char *name, const char *message,
                              struct error *error)
{
    cohort_v1_RemoveLearnerRequest request = cohort_v1_RemoveLearnerRequest_init_zero;
    cohort_v1_RemoveLearnerResponse response = cohort_v1_RemoveLearnerResponse_init_zero;
    if (strlen(name) >= sizeof request.learner || strlen(message) >= sizeof request.message)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' is too long: a name has at most %zu characters, a message %zu",
                         strlen(name) >= sizeof request.learner ? name : message, sizeof request.learner - 1,
                         sizeof request.message - 1);
    snprintf(request.learner, sizeof request.learner, "%s", name);
    snprintf(request.message, sizeof request.message, "%s", message);
    TRY(rpc_unary(remote->channel, "/cohort.v1.Coordinator/RemoveLearner", CALL_TIMEOUT_MS,
                  cohort_v1_RemoveLearnerRequest_fields, &request, cohort_v1_RemoveLearnerResponse_fields,
                  &response, error));
    printf("%s was removed\n", name);
    return STATUS_OK;
}

static enum status remove_all(struct remote *remote, const struct texts *names, const char *message,
                              struct error *error)
{
    if (names->n == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "which learner? give its name; `cohort learners` lists them");
    TRY(remote_open(remote, error));
    for (size_t i = 0; i < names->n; i++)
        TRY(remove_one(remote, names->items[i], message, error));
    return STATUS_OK;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct remote remote = {0};
    struct texts names = {0};
    const char *message = "";
    const struct argument table[] = {
        REMOTE_ARGUMENTS(&remote),
        {"--message", ARGUMENT_TEXT, &message, "TEXT", "why, for the learner and those who watch"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &names, NAMES_MAX, error);
    if (status == STATUS_OK)
        status = remove_all(&remote, &names, message, error);
    remote_close(&remote);
    memory_free(names.items);
    return status;
}

const struct command command_learners_remove = {
    .name = "remove",
    .usage = "cohort learners remove NAME... [--message TEXT] [--coordinator ADDRESS] [--wait SECONDS]",
    .help = "Removes learners from a coordinator and from the experiment that they take part in",
    .details = "One that attends is told to end, and may join again once it was started anew. One that does\n"
               "not is waited for no more: its place is free, as when it was scaled away for good.\n",
    .dials = true,
    .run = run,
};
