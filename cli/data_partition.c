// cohort data partition: who would get which samples, before anything runs.
#include "base/memory.h"
#include "cli/data.h"
#include "cli/experiment_file.h"
#include "data/probe.h"
#include <inttypes.h>
#include <stdio.h>

enum { CLASSES_SHOWN_MAX = 20 };

static void print_header(const struct source_info *info, bool has_classes)
{
    printf("learner  samples");
    for (size_t class = 0; has_classes && class < info->n_outputs; class ++)
        printf("  %6zu", class);
    printf("\n");
}

static void print_learner(const struct partition *partition, size_t learner, const uint32_t *classes,
                          const struct source_info *info)
{
    size_t counts[CLASSES_SHOWN_MAX] = {0}, first = partition->offsets[learner];
    size_t end = partition->offsets[learner + 1];
    printf("%7zu  %7zu", learner, end - first);
    for (size_t i = first; classes && i < end; i++)
        counts[classes[partition->rows[i]]]++;
    for (size_t class = 0; classes && class < info->n_outputs; class ++)
        printf("  %6zu", counts[class]);
    printf("\n");
}

static enum status print_partition(const struct partition *partition, struct source *source,
                                   struct error *error)
{
    const struct source_info *info = source_info(source);
    cleanup_free uint32_t *classes = NULL;
    if (info->target_type == TARGET_CLASS && info->n_outputs <= CLASSES_SHOWN_MAX) {
        classes = memory_array(info->n_samples, sizeof *classes);
        if (!classes)
            return error_no_memory(error, info->n_samples * sizeof *classes);
        TRY(source_groups(source, NULL, classes, error));
    }
    print_header(info, classes);
    for (size_t learner = 0; learner < partition->n_learners; learner++)
        print_learner(partition, learner, classes, info);
    return STATUS_OK;
}

static enum status share_out(const struct experiment *experiment, struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    struct source *source = NULL;
    struct partition partition = {0};
    if (!experiment->options.has_data)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "the experiment names no data to share out; add data: {format: ..., train: ...}");
    TRY(source_open(&source, &options->data.format, &options->data.train, NULL, error));
    enum status status = probe_partition(&options->data, source, (size_t)options->collaboration.learners,
                                         (uint64_t)options->seed, &partition, error);
    if (status == STATUS_OK)
        status = print_partition(&partition, source, error);
    partition_release(&partition);
    source_close(source);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct texts sets = {0}, words = {0};
    struct experiment experiment = EXPERIMENT_INIT;
    const struct argument table[] = {
        {"--set", ARGUMENT_TEXTS, &sets, "KEY.PATH=VALUE", "override an option; may be given several times"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = experiment_file_arguments(command, table, argc, argv, &words, error);
    if (status == STATUS_OK)
        status = experiment_file_load(&experiment, words.items[0], &sets, -1, error);
    if (status == STATUS_OK)
        status = share_out(&experiment, error);
    experiment_release(&experiment);
    memory_free(words.items);
    memory_free(sets.items);
    return status;
}

const struct command command_data_partition = {
    .name = "partition",
    .usage = "cohort data partition FILE [--set KEY.PATH=VALUE]...",
    .help = "Shows how an experiment's samples are shared out: a line a learner, a column a class",
    .details = "Try other partitions with --set data.partition.alpha=0.1, --set collaboration.learners=50.\n",
    .run = run,
};
