// The `cohort` program: finds the command and prints what went wrong.
#include "base/log.h"
#include "base/memory.h"
#include "cli/access.h"
#include "cli/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct command command_##name;
#include "cli/commands.def"
#include "nn/blas.h"
#undef X

static const struct command *const commands[] = {
#define X(name) &command_##name,
#include "cli/commands.def"
#undef X
    NULL,
};

static enum status dispatch(int argc, char **argv, struct error *error)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("cohort %s\n", COHORT_VERSION);
        return STATUS_OK;
    }
    return command_choose("cohort", "collaborative learning among independent learners", commands, argc, argv,
                          error);
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    // Of the programs started from here: each calls BLAS from threads of its own, and BLAS's would spin
    // beside them.
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    memory_tune_for_streams();
    blas_open();
    log_open("cohort", LOG_INFO, LOG_AUTO);
    enum status status = access_take(&argc, argv, &error);
    if (status == STATUS_OK)
        status = dispatch(argc, argv, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "cohort: %s\n", error.message);
    return status_exit_code(status);
}
