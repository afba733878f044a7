#include "config/program.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "COHORT"

static void print_help(const struct program *program, const struct argument *table)
{
    struct bytes text = BYTES_INIT;
    bytes_format(&text, "%s: %s\n\nUsage: %s [--config FILE] [--set KEY=VALUE]...\n\nOptions:\n",
                 program->name, program->about, program->name);
    arguments_help(table, &text);
    bytes_format(&text, "\nSettings, in the file, as --set KEY=VALUE, or from the environment:\n");
    fields_help(program->fields, PREFIX, &text);
    if (!text.failed)
        fputs(text.data, stdout);
    bytes_release(&text);
}

// `ret_done` is set when --help or --version was asked for and answered.
static enum status read_all(const struct program *program, int argc, char **argv, struct settings *settings,
                            bool *ret_done, struct error *error)
{
    struct program_arguments *arguments = program->arguments;
    struct texts words = {0};
    bool version = false;
    arguments->announce_fd = -1;
    const struct argument table[] = {
        {"--config", ARGUMENT_TEXT, &arguments->config, "FILE", "YAML file of settings"},
        {"--set", ARGUMENT_TEXTS, &arguments->overrides, "KEY=VALUE", "override a setting; may be repeated"},
        {"--announce-fd", ARGUMENT_COUNT, &arguments->announce_fd, "N",
         "write the address to this descriptor once it is served"},
        {"--end-with-parent", ARGUMENT_FLAG, &arguments->end_with_parent, NULL,
         "stop when the process that started this one ends"},
        {"--version", ARGUMENT_FLAG, &version, NULL, "print the version"},
        {"--help", ARGUMENT_FLAG, &version, NULL, "print this"},
        program->own,
        {0},
    };
    *ret_done = arguments_want_help(argc, argv);
    if (*ret_done) {
        print_help(program, table);
        return STATUS_OK;
    }
    TRY(arguments_read(table, argc, argv, &words, 0, error));
    if (version) {
        *ret_done = true;
        printf("%s %s\n", program->name, COHORT_VERSION);
        return STATUS_OK;
    }
    return settings_read(settings, program->fields, arguments->config, PREFIX, &arguments->overrides,
                         program->target, error);
}

static enum status open_and_serve(const struct program *program, int argc, char **argv,
                                  struct settings *settings, struct error *error)
{
    bool done = false;
    TRY(read_all(program, argc, argv, settings, &done, error));
    if (done)
        return STATUS_OK;
    if (program->arguments->end_with_parent)
        stop_with_parent();
    log_open(program->name, (enum log_level)program->log->level, (enum log_format)program->log->format);
    return program->serve(program->service, error);
}

int program_main(const struct program *program, int argc, char **argv)
{
    struct settings settings = SETTINGS_INIT;
    struct error error = ERROR_INIT;
    enum status status = open_and_serve(program, argc, argv, &settings, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s: %s\n", program->name, error.message);
    settings_release(&settings);
    memory_free(program->arguments->overrides.items);
    return status_exit_code(status);
}

void program_log_refusal(const char *who, const char *method, const char *peer, const char *why)
{
    log_warn("refused", LOG_S("who", who), LOG_S("method", method), LOG_S("peer", peer), LOG_S("why", why));
}

void program_announce(const struct program_arguments *arguments, const char *line)
{
    if (arguments->announce_fd < 0)
        return;
    dprintf((int)arguments->announce_fd, "%s\n", line);
    close((int)arguments->announce_fd);
}
