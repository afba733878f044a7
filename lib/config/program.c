#include "config/program.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_help(const struct program *program, const struct argument *table)
{
    struct bytes text = BYTES_INIT;
    bytes_format(&text, "%s: %s\n\nUsage: %s [--config FILE] [--set KEY=VALUE]...\n\nOptions:\n",
                 program->name, program->about, program->name);
    arguments_help(table, &text);
    bytes_format(&text, "\nSettings, in the file, as --set KEY=VALUE, or from the environment:\n");
    fields_help(program->fields, program->prefix, &text);
    if (!text.failed)
        fputs(text.data, stdout);
    bytes_release(&text);
}

enum status program_open(const struct program *program, int argc, char **argv, struct settings *settings,
                         struct program_arguments *arguments, bool *ret_done, struct error *error)
{
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
    return settings_read(settings, program->fields, arguments->config, program->prefix, &arguments->overrides,
                         program->target, error);
}

void program_close(struct settings *settings, struct program_arguments *arguments)
{
    settings_release(settings);
    arguments->overrides.items = memory_free(arguments->overrides.items);
}

void program_announce(const struct program_arguments *arguments, const char *line)
{
    if (arguments->announce_fd < 0)
        return;
    dprintf((int)arguments->announce_fd, "%s\n", line);
    close((int)arguments->announce_fd);
}
