// cohort validate: says what is wrong with an experiment before anything starts.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/experiment_file.h"
#include "data/partition.h"
#include <stdio.h>

// Opens a part of `data:`; an error points at the key that names the file.
static enum status open_files(const struct experiment *experiment, const struct data_files *files,
                              const char *key, struct source **ret, struct error *error)
{
    enum status status = source_open(ret, &experiment->options.data.format, files, NULL, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, experiment_mark(experiment, key), status);
}

static enum status check_model(const struct experiment *experiment, const struct source_info *info,
                               struct error *error)
{
    char shape[128];
    struct model *model = NULL;
    struct bytes text = BYTES_INIT;
    TRY(experiment_model(experiment, &info->sample, info->n_outputs, info->target_type, &model, error));
    shape_format(&info->sample, shape, sizeof shape);
    bytes_format(&text, "%zu training samples of shape %s, %zu %s\n", info->n_samples, shape, info->n_outputs,
                 info->target_type == TARGET_CLASS ? "classes" : "values to predict");
    model_describe(model, &text);
    if (!text.failed)
        fputs(text.data, stderr);
    bytes_release(&text);
    model_free(model);
    return STATUS_OK;
}

static enum status check_partition(const struct experiment *experiment, struct source *source,
                                   struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    struct partition partition = {0};
    enum status status =
        partition_new(&partition, &options->data.partition, source, (size_t)options->collaboration.learners,
                      (uint64_t)options->seed, error);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "collaboration.learners"), status);
    partition_release(&partition);
    return STATUS_OK;
}

// Test samples must be such as the model was built for.
static enum status check_test(const struct experiment *experiment, const struct source_info *train,
                              struct error *error)
{
    struct source *test = NULL;
    char ours[128], theirs[128];
    if (!experiment->options.data.has_test)
        return STATUS_OK;
    TRY(open_files(experiment, &experiment->options.data.test, "data.test.features", &test, error));
    struct source_info info = *source_info(test);
    source_close(test);
    if (shape_equal(&info.sample, &train->sample) && info.target_type == train->target_type &&
        info.n_outputs <= train->n_outputs)
        return STATUS_OK;
    shape_format(&train->sample, ours, sizeof ours);
    shape_format(&info.sample, theirs, sizeof theirs);
    return error_at(
        error, experiment_mark(experiment, "data.test"), STATUS_INVALID_ARGUMENT,
        "the test samples (shape %s, %zu outputs) do not match the training samples (shape %s, %zu "
        "outputs); name files of one dataset",
        theirs, info.n_outputs, ours, train->n_outputs);
}

static enum status check_data(const struct experiment *experiment, struct error *error)
{
    struct source *source = NULL;
    if (!experiment->options.has_data) {
        fputs("no data: whether the layers fit is seen once a learner brings its own\n", stderr);
        return STATUS_OK;
    }
    TRY(open_files(experiment, &experiment->options.data.train, "data.train.features", &source, error));
    enum status status = check_test(experiment, source_info(source), error);
    if (status == STATUS_OK)
        status = check_partition(experiment, source, error);
    if (status == STATUS_OK)
        status = check_model(experiment, source_info(source), error);
    source_close(source);
    return status;
}

static enum status validate(const char *path, const struct texts *sets, struct error *error)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct bytes text = BYTES_INIT;
    TRY(experiment_file_load(&experiment, path, sets, -1, error));
    enum status status = check_data(&experiment, error);
    if (status == STATUS_OK) {
        experiment_dump(&experiment, &text);
        status = text.failed ? error_no_memory(error, text.n) : STATUS_OK;
    }
    if (status == STATUS_OK)
        fputs(text.data, stdout);
    bytes_release(&text);
    experiment_release(&experiment);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct texts sets = {0}, words = {0};
    const struct argument table[] = {
        {"--set", ARGUMENT_TEXTS, &sets, "KEY.PATH=VALUE", "override an option; may be given several times"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK && words.n == 0)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "an experiment's file is needed; usage: %s",
                           command->usage);
    if (status == STATUS_OK)
        status = validate(words.items[0], &sets, error);
    memory_free(words.items);
    memory_free(sets.items);
    return status;
}

const struct command command_validate = {
    .name = "validate",
    .usage = "cohort validate FILE [--set KEY.PATH=VALUE]...",
    .help = "Checks an experiment and its data, and prints it with every default spelled out",
    .details = "Nothing is started or written. The layers and their shapes go to standard error.\n",
    .run = run,
};
