// cohort data make: a dataset to start with.
#include "base/file.h"
#include "base/memory.h"
#include "base/registry.h"
#include "cli/data.h"
#include "data/digits.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct make {
    const char *kind, *out;
    int64_t n_train, n_test, seed, writers;
};

enum { SAMPLES_MAX = 10000000 };

static enum status check(const struct make *make, struct error *error)
{
    const int64_t counts[] = {make->n_train, make->n_test};
    if (strcmp(make->kind, "digits"))
        return error_set(error, STATUS_INVALID_ARGUMENT, "--kind '%s' is not known; it is one of: digits",
                         make->kind);
    if (make->writers > SAMPLES_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT, "--writers '%" PRId64 "' must be at most %d",
                         make->writers, SAMPLES_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        if (counts[i] < 1 || counts[i] > SAMPLES_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "--%s '%" PRId64 "' must be from 1 to %d",
                             i ? "test" : "train", counts[i], SAMPLES_MAX);
    return STATUS_OK;
}

// Names as MNIST has them, so that what reads MNIST reads these.
static enum status make_set(const struct make *make, enum digits_set set, struct error *error)
{
    const char *prefix = set == DIGITS_TRAIN ? "train" : "t10k";
    cleanup_free char *images = memory_format("%s/%s-images-idx3-ubyte.gz", make->out, prefix);
    cleanup_free char *labels = memory_format("%s/%s-labels-idx1-ubyte.gz", make->out, prefix);
    int64_t n = set == DIGITS_TRAIN ? make->n_train : make->n_test;
    if (!images || !labels)
        return error_no_memory(error, strlen(make->out));
    TRY(digits_write(images, labels, (uint64_t)make->seed, set, (uint32_t)n, (uint32_t)make->writers, error));
    printf("%s\n%s\n", images, labels);
    return STATUS_OK;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct make make = {.kind = "digits", .out = "data", .n_train = 8000, .n_test = 2000, .seed = 42};
    const struct argument table[] = {
        {"--kind", ARGUMENT_TEXT, &make.kind, "KIND",
         "what to draw: digits (the default), 28x28 grey, 10 classes"},
        {"--out", ARGUMENT_TEXT, &make.out, "DIR", "folder to write to, made when missing (default: data)"},
        {"--train", ARGUMENT_COUNT, &make.n_train, "N", "training samples (default: 8000)"},
        {"--test", ARGUMENT_COUNT, &make.n_test, "N", "test samples (default: 2000)"},
        {"--seed", ARGUMENT_COUNT, &make.seed, "N", "the same seed draws the same samples (default: 42)"},
        {"--writers", ARGUMENT_COUNT, &make.writers, "N",
         "sample i is by writer i modulo N, each with a style (default: every sample by another hand)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    struct texts words = {0};
    enum status status = arguments_read(table, argc, argv, &words, 0, error);
    memory_free(words.items);
    TRY(status);
    TRY(check(&make, error));
    TRY(file_make_folder(make.out, error));
    TRY(make_set(&make, DIGITS_TRAIN, error));
    return make_set(&make, DIGITS_TEST, error);
}

const struct command command_data_make = {
    .name = "make",
    .usage = "cohort data make [--kind digits] [--out DIR] [--train N] [--test N] [--seed N] [--writers N]",
    .help = "Draws a dataset to start with, as gzipped IDX named as MNIST's files are",
    .run = run,
};
