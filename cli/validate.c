// cohort validate: says what is wrong with an experiment before anything starts.
#include "base/memory.h"
#include "cli/command.h"
#include "cli/experiment_file.h"
#include "data/partition.h"
#include "store/safetensors.h"
#include <stdio.h>

// The file to start from must hold the model's tensors.
static enum status check_weights(const struct experiment *experiment, const struct model *model,
                                 struct error *error)
{
    const char *path = experiment->options.model.weights;
    const struct layout *layout = model_layout(model);
    if (!path)
        return STATUS_OK;
    cleanup_free float *values = memory_floats(layout->n_parameters);
    if (!values)
        return error_no_memory(error, layout->n_parameters * sizeof *values);
    enum status status = safetensors_load(path, layout, values, error);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "model.weights"), status);
    return STATUS_OK;
}

static enum status check_model(const struct experiment *experiment, const struct source_info *info,
                               struct error *error)
{
    char shape[128];
    struct model *model = NULL;
    struct bytes text = BYTES_INIT;
    TRY(experiment_model(experiment, &info->sample, info->n_outputs, info->target_type, &model, error));
    enum status status = check_weights(experiment, model, error);
    shape_format(&info->sample, shape, sizeof shape);
    bytes_format(&text, "%zu training samples of shape %s, %zu %s\n", info->n_samples, shape, info->n_outputs,
                 info->target_type == TARGET_CLASS ? "classes" : "values to predict");
    model_describe(model, &text);
    if (!text.failed && status == STATUS_OK)
        fputs(text.data, stderr);
    bytes_release(&text);
    model_free(model);
    return status;
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

static enum status check_test(const struct experiment *experiment, const struct source *train,
                              struct error *error)
{
    struct source *test = NULL;
    const struct data_options *data = &experiment->options.data;
    if (!data->has_test)
        return STATUS_OK;
    enum status status = source_open_test(&test, train, &data->test, NULL, error);
    source_close(test);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "data.test"), status);
    return STATUS_OK;
}

static enum status check_data(const struct experiment *experiment, struct error *error)
{
    struct source *train = NULL;
    const struct data_options *data = &experiment->options.data;
    if (!experiment->options.has_data) {
        fputs("no data: whether the layers fit is seen once a learner brings its own\n", stderr);
        return STATUS_OK;
    }
    enum status status = source_open(&train, &data->format, &data->train, NULL, error);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "data.train"), status);
    status = check_test(experiment, train, error);
    if (status == STATUS_OK)
        status = check_partition(experiment, train, error);
    if (status == STATUS_OK)
        status = check_model(experiment, source_info(train), error);
    source_close(train);
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
