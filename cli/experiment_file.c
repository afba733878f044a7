#include "cli/experiment_file.h"
#include "base/memory.h"
#include "data/probe.h"
#include "store/safetensors.h"
#include <inttypes.h>
#include <stdio.h>

enum status experiment_file_arguments(const struct command *command, const struct argument *table, int argc,
                                      char **argv, struct texts *ret_words, struct error *error)
{
    TRY(arguments_read(table, argc, argv, ret_words, 1, error));
    if (ret_words->n == 1)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT, "an experiment's file is needed; usage: %s",
                     command->usage);
}

enum status experiment_file_load(struct experiment *ret, const char *path, const struct texts *sets,
                                 int64_t seed, struct error *error)
{
    char seed_text[32];
    size_t n = 0;
    struct experiment_override *rows = memory_array(sets->n + 1, sizeof *rows);
    if (!rows)
        return error_no_memory(error, (sets->n + 1) * sizeof *rows);
    enum status status = STATUS_OK;
    for (; n < sets->n && status == STATUS_OK; n++) {
        char *source = memory_format("--set %s", sets->items[n]);
        rows[n] = (struct experiment_override){.text = sets->items[n], .source = source};
        if (!source)
            status = error_no_memory(error, 0);
    }
    snprintf(seed_text, sizeof seed_text, "seed=%" PRId64, seed);
    rows[n] = (struct experiment_override){.text = seed_text, .source = "--seed"};
    if (status == STATUS_OK)
        status = experiment_load(ret, path, rows, n + (seed >= 0), error);
    for (size_t i = 0; i < n; i++)
        memory_free((char *)rows[i].source);
    memory_free(rows);
    return status;
}

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

// What the algorithm exchanges must be able to travel. Where it hangs on probe samples, the coordinator sees.
static enum status check_plan(const struct experiment *experiment, const struct model *model,
                              struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    const struct choice *choice = &options->collaboration.algorithm;
    const struct algorithm_kind *kind = (const struct algorithm_kind *)(const void *)choice->kind;
    const struct algorithm_setting setting = {
        .options = choice->options,
        .training = &options->training,
        .model = model,
        .seed = (uint64_t)options->seed,
        .n_learners = (uint32_t)options->collaboration.learners,
        .rounds = (uint32_t)options->collaboration.rounds,
    };
    struct algorithm_plan plan;
    if (kind->needs_probe)
        return STATUS_OK;
    enum status status = algorithm_plan(kind, &setting, &plan, error);
    return status == STATUS_OK ? experiment_check_plan(experiment, &plan, error)
                               : error_point(error, choice->mark, status);
}

static enum status check_variant(const struct experiment *experiment, size_t variant,
                                 const struct source_info *info, struct bytes *ret, struct error *error)
{
    struct model *model = NULL;
    TRY(experiment_variant(experiment, variant, &info->sample, info->n_outputs, info->target_type, &model,
                           error));
    enum status status = check_weights(experiment, model, error);
    if (status == STATUS_OK && variant == 0)
        status = check_plan(experiment, model, error);
    if (variant > 0)
        bytes_format(ret, "variant %zu:\n", variant);
    model_describe(model, ret);
    model_free(model);
    return status;
}

static enum status check_model(const struct experiment *experiment, const struct source_info *info,
                               struct bytes *ret, struct error *error)
{
    char shape[128];
    shape_format(&info->sample, shape, sizeof shape);
    bytes_format(ret, "%zu training samples of shape %s, %zu %s\n", info->n_samples, shape, info->n_outputs,
                 info->target_type == TARGET_CLASS ? "classes" : "values to predict");
    for (size_t i = 0; i < experiment_n_variants(experiment); i++)
        TRY(check_variant(experiment, i, info, ret, error));
    return STATUS_OK;
}

static enum status check_partition(const struct experiment *experiment, struct source *source,
                                   struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    struct partition partition = {0};
    enum status status = probe_partition(&options->data, source, (size_t)options->collaboration.learners,
                                         (uint64_t)options->seed, &partition, error);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "collaboration.learners"), status);
    partition_release(&partition);
    return STATUS_OK;
}

enum { READ_VALUES_MAX = 64 << 20 };

// Reads every sample once, so that a damaged file or a value that is no number is told before anything
// starts. What takes more than 256 MB is left to the learners, each of which reads its own part.
static enum status check_samples(struct source *source, struct error *error)
{
    const struct source_info *info = source_info(source);
    struct dataset dataset = {0};
    if (info->n_samples > READ_VALUES_MAX / shape_size(&info->sample))
        return STATUS_OK;
    TRY(source_read(source, NULL, 0, &dataset, error));
    dataset_release(&dataset);
    return STATUS_OK;
}

static enum status check_probe(const struct experiment *experiment, struct source *train, struct error *error)
{
    struct dataset dataset;
    const struct experiment_options *options = &experiment->options;
    if (!options->data.has_probe)
        return STATUS_OK;
    enum status status = probe_read(&options->data, train, (uint64_t)options->seed, &dataset, error);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "data.probe"), status);
    dataset_release(&dataset);
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
    if (status == STATUS_OK)
        status = check_samples(test, error);
    source_close(test);
    if (status != STATUS_OK)
        return error_point(error, experiment_mark(experiment, "data.test"), status);
    return STATUS_OK;
}

enum status experiment_file_check(const struct experiment *experiment, struct bytes *ret, struct error *error)
{
    struct source *train = NULL;
    const struct data_options *data = &experiment->options.data;
    if (!experiment->options.has_data) {
        bytes_text(ret, "no data: whether the layers fit is seen once a learner brings its own\n");
        return STATUS_OK;
    }
    enum status status = source_open(&train, &data->format, &data->train, NULL, error);
    if (status == STATUS_OK)
        status = check_samples(train, error);
    if (status != STATUS_OK) {
        source_close(train);
        return error_point(error, experiment_mark(experiment, "data.train"), status);
    }
    status = check_test(experiment, train, error);
    if (status == STATUS_OK)
        status = check_probe(experiment, train, error);
    if (status == STATUS_OK)
        status = check_partition(experiment, train, error);
    if (status == STATUS_OK)
        status = check_model(experiment, source_info(train), ret, error);
    source_close(train);
    return status;
}
