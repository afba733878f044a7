#include "base/arguments.h"
#include "base/memory.h"
#include "base/registry.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct argument *find(const struct argument *table, const char *word, size_t n)
{
    for (const struct argument *row = table; row->name; row++)
        if (strlen(row->name) == n && strncmp(row->name, word, n) == 0)
            return row;
    return NULL;
}

static enum status unknown(const struct argument *table, const char *word, size_t n, struct error *error)
{
    const char *names[64];
    size_t n_names = 0;
    for (const struct argument *row = table; row->name && n_names < ARRAY_SIZE(names); row++)
        names[n_names++] = row->name;
    cleanup_free char *name = memory_format("%.*s", (int)n, word);
    const char *near = name ? nearest_word(name, names, n_names) : NULL;
    return error_set(error, STATUS_INVALID_ARGUMENT, "unknown option '%.*s'%s%s%s --help lists them", (int)n,
                     word, near ? "; did you mean '" : "", near ? near : ";", near ? "'?" : "");
}

static enum status add_text(struct texts *texts, const char *text, struct error *error)
{
    const char **items = memory_resize(texts->items, texts->n + 1, sizeof *items);
    if (!items)
        return error_no_memory(error, (texts->n + 1) * sizeof *items);
    items[texts->n++] = text;
    texts->items = items;
    return STATUS_OK;
}

static enum status set_value(const struct argument *row, const char *text, struct error *error)
{
    char *end = NULL;
    errno = 0;
    switch (row->type) {
    case ARGUMENT_TEXT:
        *(const char **)row->target = text;
        return STATUS_OK;
    case ARGUMENT_TEXTS:
        return add_text(row->target, text, error);
    case ARGUMENT_COUNT: {
        long long value = strtoll(text, &end, 10);
        if (end == text || *end || errno || value < 0)
            return error_set(error, STATUS_INVALID_ARGUMENT, "%s '%s' must be a whole number, 0 or more",
                             row->name, text);
        *(int64_t *)row->target = value;
        return STATUS_OK;
    }
    case ARGUMENT_REAL: {
        double value = strtod(text, &end);
        if (end == text || *end || errno || value - value != 0)
            return error_set(error, STATUS_INVALID_ARGUMENT, "%s '%s' must be a number", row->name, text);
        *(double *)row->target = value;
        return STATUS_OK;
    }
    case ARGUMENT_FLAG:
        break;
    }
    return error_set(error, STATUS_INVALID_ARGUMENT, "%s takes no value; leave out '=%s'", row->name, text);
}

static enum status read_option(const struct argument *table, int argc, char **argv, int *at,
                               struct error *error)
{
    const char *word = argv[*at];
    size_t n = strcspn(word, "=");
    const struct argument *row = find(table, word, n);
    if (!row)
        return unknown(table, word, n, error);
    if (word[n] == '=')
        return set_value(row, word + n + 1, error);
    if (row->type == ARGUMENT_FLAG) {
        *(bool *)row->target = true;
        return STATUS_OK;
    }
    if (*at + 1 >= argc)
        return error_set(error, STATUS_INVALID_ARGUMENT, "%s needs a value: %s %s", row->name, row->name,
                         row->value ? row->value : "VALUE");
    return set_value(row, argv[++*at], error);
}

enum status arguments_read(const struct argument *table, int argc, char **argv, struct texts *ret_words,
                           size_t max_words, struct error *error)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            TRY(read_option(table, argc, argv, &i, error));
        } else if (ret_words->n == max_words) {
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s' is one argument too many; --help shows the usage", argv[i]);
        } else {
            TRY(add_text(ret_words, argv[i], error));
        }
    }
    return STATUS_OK;
}

bool arguments_want_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

void arguments_help(const struct argument *table, struct bytes *ret)
{
    for (const struct argument *row = table; row->name; row++) {
        cleanup_free char *left = memory_format("%s%s%s", row->name, row->type == ARGUMENT_FLAG ? "" : " ",
                                                row->type == ARGUMENT_FLAG ? ""
                                                : row->value               ? row->value
                                                                           : "VALUE");
        bytes_format(ret, "  %-24s %s\n", left ? left : row->name, row->help);
    }
}
