#include "experiment/stop.h"
#include <math.h>

const char *const metric_words[] = {
    [METRIC_TEST_ACCURACY] = "test_accuracy",
    [METRIC_TEST_LOSS] = "test_loss",
    [METRIC_TRAIN_LOSS] = "train_loss",
    [METRIC_TRAIN_ACCURACY] = "train_accuracy",
    [METRIC_LOCAL_ACCURACY] = "local_accuracy",
    [METRIC_LOCAL_ACCURACY_WORST] = "local_accuracy_worst",
    [METRIC_LOCAL_LOSS] = "local_loss",
    [METRIC_PARAMETER_DISTANCE] = "parameter_distance",
    NULL,
};

static const struct field plateau_fields[] = {
    {.name = "rounds",
     .type = FIELD_INT,
     .offset = offsetof(struct plateau_options, rounds),
     .fallback = "5",
     .min = 1,
     .max = 1000000,
     .help = "Rounds without improvement after which to stop"},
    {.name = "delta",
     .type = FIELD_REAL,
     .offset = offsetof(struct plateau_options, delta),
     .fallback = "0.001",
     .max = INFINITY,
     .help = "A change of up to this much is no improvement"},
    {0},
};

const struct field stop_fields[] = {
    {.name = "metric",
     .type = FIELD_WORD,
     .offset = offsetof(struct stop_options, metric),
     .words = metric_words,
     .required = true,
     .help = "What is looked at after each round"},
    {.name = "at_least",
     .type = FIELD_REAL,
     .offset = offsetof(struct stop_options, at_least),
     .optional = true,
     .given_offset = offsetof(struct stop_options, has_at_least),
     .help = "Stop once the metric is this or more"},
    {.name = "at_most",
     .type = FIELD_REAL,
     .offset = offsetof(struct stop_options, at_most),
     .optional = true,
     .given_offset = offsetof(struct stop_options, has_at_most),
     .help = "Stop once the metric is this or less"},
    {.name = "plateau",
     .type = FIELD_SECTION,
     .offset = offsetof(struct stop_options, plateau),
     .fields = plateau_fields,
     .optional = true,
     .given_offset = offsetof(struct stop_options, has_plateau),
     .help = "Stop once the metric gets no better"},
    {0},
};

bool metric_is_share(enum experiment_metric metric)
{
    return metric == METRIC_TEST_ACCURACY || metric == METRIC_TRAIN_ACCURACY ||
           metric == METRIC_LOCAL_ACCURACY || metric == METRIC_LOCAL_ACCURACY_WORST;
}

bool metric_is_local(enum experiment_metric metric)
{
    return metric == METRIC_LOCAL_ACCURACY || metric == METRIC_LOCAL_ACCURACY_WORST ||
           metric == METRIC_LOCAL_LOSS;
}

bool metric_is_test(enum experiment_metric metric)
{
    return metric == METRIC_TEST_ACCURACY || metric == METRIC_TEST_LOSS;
}

enum status stop_check(const struct stop_options *options, struct error *error)
{
    const char *metric = metric_words[options->metric];
    if (!options->has_at_least && !options->has_at_most && !options->has_plateau)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "stop names '%s' but no value; add at_least, at_most or plateau", metric);
    if (metric_is_share((enum experiment_metric)options->metric) && options->has_at_least &&
        options->at_least > 1)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "at_least '%g' can never be reached; %s lies between 0 and 1", options->at_least,
                         metric);
    return STATUS_OK;
}

static bool on_plateau(const struct stop_options *options, struct stop_progress *progress, double value)
{
    bool more_is_better = metric_is_share((enum experiment_metric)options->metric);
    double gain = more_is_better ? value - progress->best : progress->best - value;
    if (isfinite(value) && (!progress->seen || gain > options->plateau.delta)) {
        *progress = (struct stop_progress){.seen = true, .best = value};
        return false;
    }
    return ++progress->since >= options->plateau.rounds;
}

bool stop_reached(const struct stop_options *options, struct stop_progress *progress, double value)
{
    bool stop = (options->has_at_least && value >= options->at_least) ||
                (options->has_at_most && value <= options->at_most);
    if (options->has_plateau)
        stop |= on_plateau(options, progress, value);
    return stop;
}
