// cohort predict: what a trained model makes of data.
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/experiment_file.h"
#include "report/confusion.h"
#include "report/human.h"
#include "report/json.h"
#include "store/safetensors.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 256, COLUMNS_MAX = 100 };

struct predict_arguments {
    const char *model, *experiment, *data, *features, *labels, *out;
    bool json;
};

// Everything that stands between the files and the figures.
struct predict {
    const struct predict_arguments *arguments;
    struct experiment experiment;
    struct dataset dataset;
    struct model *model;
    struct workspace *workspace;
    float *parameters;
    float *probabilities; // [BATCH, n_outputs]
    struct confusion confusion;
    double loss, absolute_error, squared_error; // summed over samples, or over values
    FILE *out;                                  // of --out while it is being written, or NULL
};

static void predict_release(struct predict *predict)
{
    confusion_release(&predict->confusion);
    memory_free(predict->probabilities);
    memory_free(predict->parameters);
    workspace_free(predict->workspace);
    model_free(predict->model);
    dataset_release(&predict->dataset);
    experiment_release(&predict->experiment);
}

static enum status check_arguments(const struct predict_arguments *arguments, const struct command *command,
                                   struct error *error)
{
    if (!arguments->model || !arguments->experiment)
        return error_set(error, STATUS_INVALID_ARGUMENT, "%s is needed; usage: %s",
                         arguments->model ? "--experiment" : "--model", command->usage);
    if (strcmp(arguments->data, "train") != 0 && strcmp(arguments->data, "test") != 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "--data '%s' must be test or train",
                         arguments->data);
    if (arguments->labels && !arguments->features)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "--labels '%s' goes with --features; name the file of features too",
                         arguments->labels);
    return STATUS_OK;
}

// Data other than the training data are read as its test data, so that classes and scales are the model's.
static enum status read_like(struct predict *predict, struct source *train, const struct data_files *files,
                             struct error *error)
{
    struct source *source = NULL;
    TRY(source_open_test(&source, train, files, NULL, error));
    enum status status = source_read(source, NULL, 0, &predict->dataset, error);
    source_close(source);
    return status;
}

static enum status read_samples(struct predict *predict, struct source *train, struct error *error)
{
    const struct predict_arguments *arguments = predict->arguments;
    const struct data_options *data = &predict->experiment.options.data;
    if (arguments->features)
        return read_like(predict, train, &(struct data_files){arguments->features, arguments->labels}, error);
    if (strcmp(arguments->data, "train") == 0)
        return source_read(train, NULL, 0, &predict->dataset, error);
    if (!data->has_test)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' names no test data; add data.test, or choose --data train or --features FILE",
                         arguments->experiment);
    return read_like(predict, train, &data->test, error);
}

static enum status read_data(struct predict *predict, struct error *error)
{
    const struct experiment_options *options = &predict->experiment.options;
    struct source *train = NULL;
    if (!options->has_data)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' has no data, from which the model's input and classes are known; add data: with "
            "format and train",
            predict->arguments->experiment);
    TRY(source_open(&train, &options->data.format, &options->data.train, NULL, error));
    struct source_info info = *source_info(train);
    enum status status = read_samples(predict, train, error);
    if (status == STATUS_OK)
        status = experiment_model(&predict->experiment, &info.sample, info.n_outputs, info.target_type,
                                  &predict->model, error);
    source_close(train);
    return status;
}

static enum status load_model(struct predict *predict, struct error *error)
{
    const struct layout *layout = model_layout(predict->model);
    size_t n_outputs = model_n_outputs(predict->model);
    predict->parameters = memory_floats(layout->n_parameters);
    predict->probabilities = memory_floats(BATCH * n_outputs);
    if (!predict->parameters || !predict->probabilities)
        return error_no_memory(error, layout->n_parameters * sizeof(float));
    TRY(safetensors_load(predict->arguments->model, layout, predict->parameters, error));
    TRY(workspace_new(&predict->workspace, predict->model, BATCH, false, error));
    return predict->dataset.target_type == TARGET_CLASS
               ? confusion_init(&predict->confusion, model_n_classes(predict->model), error)
               : STATUS_OK;
}

static void write_classes(FILE *out, size_t sample, size_t actual, size_t guess, const float *probabilities,
                          size_t n_classes)
{
    fprintf(out, "%zu,%zu,%zu,%.6g", sample, actual, guess, (double)probabilities[guess]);
    for (size_t k = 0; k < n_classes && n_classes <= COLUMNS_MAX; k++)
        fprintf(out, ",%.6g", (double)probabilities[k]);
    fputc('\n', out);
}

// What batches of classes, and of values, add to the figures and to the table of --out.
static void add_classes(struct predict *predict, size_t first, size_t n, const float *outputs)
{
    const struct model *model = predict->model;
    size_t n_outputs = model_n_outputs(model);
    bool two_by_one = n_outputs < model_n_classes(model);
    if (predict->out)
        model_probabilities(model, outputs, n, predict->probabilities);
    for (size_t i = 0; i < n; i++) {
        size_t actual = (size_t)predict->dataset.classes[first + i],
               guess = (size_t)model_class(model, outputs + i * n_outputs);
        confusion_add(&predict->confusion, actual, guess);
        if (!predict->out)
            continue;
        const float *row = predict->probabilities + i * n_outputs;
        const float both[] = {1 - row[0], row[0]};
        write_classes(predict->out, first + i, actual, guess, two_by_one ? both : row,
                      model_n_classes(model));
    }
}

static void add_values(struct predict *predict, size_t first, size_t n, const float *outputs)
{
    size_t n_outputs = model_n_outputs(predict->model);
    const float *actual = predict->dataset.values + first * n_outputs;
    for (size_t i = 0; i < n * n_outputs; i++) {
        double miss = (double)outputs[i] - (double)actual[i];
        predict->absolute_error += fabs(miss);
        predict->squared_error += miss * miss;
    }
    for (size_t i = 0; i < n && predict->out; i++) {
        fprintf(predict->out, "%zu", first + i);
        for (size_t k = 0; k < n_outputs; k++)
            fprintf(predict->out, ",%.9g,%.9g", (double)actual[i * n_outputs + k],
                    (double)outputs[i * n_outputs + k]);
        fputc('\n', predict->out);
    }
}

static void measure(struct predict *predict)
{
    const struct dataset *dataset = &predict->dataset;
    size_t size = shape_size(&dataset->sample);
    for (size_t first = 0; first < dataset->n_samples; first += BATCH) {
        size_t n = dataset->n_samples - first < BATCH ? dataset->n_samples - first : BATCH;
        const float *outputs = model_forward(predict->model, predict->workspace, predict->parameters,
                                             dataset->features + first * size, n);
        struct targets targets = {.type = dataset->target_type};
        if (dataset->target_type == TARGET_CLASS)
            targets.classes = dataset->classes + first;
        else
            targets.values = dataset->values + first * dataset->n_outputs;
        predict->loss += model_loss(predict->model, outputs, &targets, n) * (double)n;
        if (dataset->target_type == TARGET_CLASS)
            add_classes(predict, first, n, outputs);
        else
            add_values(predict, first, n, outputs);
    }
}

static void put_table_head(const struct predict *predict)
{
    bool classes = predict->dataset.target_type == TARGET_CLASS;
    size_t n_outputs = classes ? model_n_classes(predict->model) : model_n_outputs(predict->model);
    fputs(classes ? "sample,actual,predicted,probability" : "sample", predict->out);
    for (size_t k = 0; k < n_outputs; k++) {
        if (!classes)
            fprintf(predict->out, ",actual_%zu,predicted_%zu", k, k);
        else if (n_outputs <= COLUMNS_MAX)
            fprintf(predict->out, ",class_%zu", k);
    }
    fputc('\n', predict->out);
}

static enum status fill_table(int fd, void *context, struct error *error)
{
    struct predict *predict = context;
    int copy = dup(fd);
    predict->out = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!predict->out)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "cannot write '%s': too many open files",
                         predict->arguments->out);
    put_table_head(predict);
    measure(predict);
    bool failed = ferror(predict->out);
    failed |= fclose(predict->out) != 0;
    predict->out = NULL;
    return failed ? error_set(error, STATUS_RESOURCE_EXHAUSTED, "cannot write '%s'; free space on that disk",
                              predict->arguments->out)
                  : STATUS_OK;
}

// The figures as pairs of a key and a value.
struct figure {
    const char *key, *label;
    double value;
};

static size_t figures_of(const struct predict *predict, struct figure ret[3])
{
    double n = (double)predict->dataset.n_samples;
    double n_values = n * (double)predict->dataset.n_outputs;
    ret[0] = (struct figure){"loss", "loss", predict->loss / n};
    if (predict->dataset.target_type == TARGET_CLASS) {
        ret[1] = (struct figure){"accuracy", "accuracy", confusion_accuracy(&predict->confusion)};
        return 2;
    }
    ret[1] =
        (struct figure){"mean_absolute_error", "mean absolute error", predict->absolute_error / n_values};
    ret[2] = (struct figure){"root_mean_squared_error", "root mean squared error",
                             sqrt(predict->squared_error / n_values)};
    return 3;
}

static void put_json(const struct predict *predict, struct bytes *text)
{
    struct figure figures[3];
    size_t n = figures_of(predict, figures);
    bytes_text(text, "{\"model\":");
    bytes_json(text, predict->arguments->model);
    bytes_format(text, ",\"samples\":%zu", predict->dataset.n_samples);
    for (size_t i = 0; i < n; i++) {
        bytes_format(text, ",\"%s\":", figures[i].key);
        bytes_json_real(text, figures[i].value);
    }
    if (predict->dataset.target_type == TARGET_CLASS) {
        bytes_text(text, ",");
        confusion_json(&predict->confusion, text);
    }
    bytes_text(text, "}\n");
}

static void put_text(const struct predict *predict, struct bytes *text)
{
    struct figure figures[3];
    char number[HUMAN_BYTES];
    size_t n = figures_of(predict, figures);
    int width = n == 3 ? 23 : 8;
    bytes_format(text, "%-*s  %s\n", width, "samples", human_count(predict->dataset.n_samples, number));
    for (size_t i = 0; i < n; i++)
        bytes_format(text, "%-*s  %s\n", width, figures[i].label, human_metric(figures[i].value, number));
    if (predict->dataset.target_type == TARGET_CLASS) {
        bytes_text(text, "\n");
        confusion_text(&predict->confusion, text);
    }
}

static enum status print(const struct predict *predict, struct error *error)
{
    struct bytes text = BYTES_INIT;
    if (predict->arguments->json)
        put_json(predict, &text);
    else
        put_text(predict, &text);
    enum status status = text.failed ? error_no_memory(error, text.n) : STATUS_OK;
    if (status == STATUS_OK)
        fputs(text.data, stdout);
    bytes_release(&text);
    return status;
}

static enum status predict_all(struct predict *predict, const struct texts *sets, struct error *error)
{
    const struct predict_arguments *arguments = predict->arguments;
    TRY(experiment_file_load(&predict->experiment, arguments->experiment, sets, -1, error));
    TRY(read_data(predict, error));
    TRY(load_model(predict, error));
    if (arguments->out)
        TRY(file_write_by(arguments->out, fill_table, predict, false, error));
    else
        measure(predict);
    return print(predict, error);
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct predict_arguments arguments = {.data = "test"};
    struct texts sets = {0}, words = {0};
    const struct argument table[] = {
        {"--model", ARGUMENT_TEXT, &arguments.model, "FILE", "the model, in safetensors format"},
        {"--experiment", ARGUMENT_TEXT, &arguments.experiment, "FILE",
         "the experiment that it comes from: its layers and its data's format"},
        {"--data", ARGUMENT_TEXT, &arguments.data, "test|train",
         "which of the experiment's data (default: test)"},
        {"--features", ARGUMENT_TEXT, &arguments.features, "FILE", "other data of the same format instead"},
        {"--labels", ARGUMENT_TEXT, &arguments.labels, "FILE",
         "their labels, when these are a file of their own"},
        {"--set", ARGUMENT_TEXTS, &sets, "KEY.PATH=VALUE", "override an option; may be given several times"},
        {"--json", ARGUMENT_FLAG, &arguments.json, NULL, "print one line of JSON"},
        {"--out", ARGUMENT_TEXT, &arguments.out, "FILE", "write a line of CSV a sample"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    struct predict predict = {.arguments = &arguments};
    enum status status = arguments_read(table, argc, argv, &words, 0, error);
    if (status == STATUS_OK)
        status = check_arguments(&arguments, command, error);
    if (status == STATUS_OK)
        status = predict_all(&predict, &sets, error);
    predict_release(&predict);
    memory_free(words.items);
    memory_free(sets.items);
    return status;
}

const struct command command_predict = {
    .name = "predict",
    .usage =
        "cohort predict --model FILE --experiment FILE [--data test|train | --features FILE [--labels FILE]] "
        "[--json] [--out FILE]",
    .help = "Measures a trained model on data: loss, accuracy, and which class is taken for which",
    .details = "A run's folder has both files: model.safetensors and experiment.yaml.\n",
    .run = run,
};
