#include "experiment/check.h"
#include "reduce/reducer.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

bool experiment_name_is_good(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return n > 0 && n <= EXPERIMENT_NAME_MAX && !name[n] && name[0] != '.' && name[0] != '-';
}

static enum status check_name(const struct experiment *experiment, struct error *error)
{
    char shown[80];
    const char *name = experiment->options.name;
    if (experiment_name_is_good(name))
        return STATUS_OK;
    return error_at(error, experiment_mark(experiment, "name"), STATUS_INVALID_ARGUMENT,
                    "name '%s' must be 1 to %d letters, digits, '-', '_' or '.', and start with none of '-' "
                    "and '.': a folder and an id are called by it",
                    yaml_shown(name, shown, sizeof shown), EXPERIMENT_NAME_MAX);
}

static enum status check_data(const struct experiment *experiment, struct error *error)
{
    if (!experiment->options.has_data)
        return STATUS_OK;
    enum status status = data_check(&experiment->options.data, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, experiment_mark(experiment, "data"), status);
}

static enum status check_layers(const struct experiment *experiment, struct error *error)
{
    for (size_t i = 0; i < experiment_n_variants(experiment); i++) {
        size_t n = model_variant_options(&experiment->options.model, i).layers.n;
        if (n == 0 || n > MODEL_LAYERS_MAX)
            return error_at(error, experiment_mark(experiment, i ? "model.variants" : "model.layers"),
                            STATUS_INVALID_ARGUMENT, "layers has %zu layers; give 1 to %d", n,
                            MODEL_LAYERS_MAX);
    }
    return STATUS_OK;
}

static enum status check_participation(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    int64_t minimum = collaboration->participation.minimum, learners = collaboration->learners;
    if (minimum <= learners)
        return STATUS_OK;
    return error_at(
        error, experiment_mark(experiment, "collaboration.participation.minimum"), STATUS_INVALID_ARGUMENT,
        "minimum '%" PRId64 "' must be at most %" PRId64 ", the number of learners; lower it, or raise "
        "learners",
        minimum, learners);
}

static enum status check_start(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    int64_t start_with = collaboration->participation.start_with, learners = collaboration->learners;
    if (start_with <= learners)
        return STATUS_OK;
    return error_at(error, experiment_mark(experiment, "collaboration.participation.start_with"),
                    STATUS_INVALID_ARGUMENT,
                    "start_with '%" PRId64 "' must be at most %" PRId64 ", the number of learners; lower it, "
                    "or raise learners",
                    start_with, learners);
}

// What goes with rounds that are not in step.
static enum status check_schedule(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct participation_options *participation = &collaboration->participation;
    const struct round_rules rules = experiment_rules(&experiment->options);
    const char *name = collaboration->schedule.kind->name;
    struct mark mark = collaboration->schedule.mark;
    int64_t target = rules.target;
    if (!rules.continuous)
        return STATUS_OK;
    if (((const struct algorithm_kind *)(const void *)collaboration->algorithm.kind)->stale == STALE_REFUSED)
        return error_at(
            error, mark, STATUS_INVALID_ARGUMENT,
            "schedule %s does not go with algorithm %s, whose summaries of different rounds do not "
            "mix: choose fedbuff, fedasync or fedavg, or the schedule synchronous",
            name, collaboration->algorithm.kind->name);
    if (experiment->options.evaluation.holdout > 0)
        return error_at(
            error, experiment_mark(experiment, "evaluation.holdout"), STATUS_INVALID_ARGUMENT,
            "holdout does not go with schedule %s, under which learners are never all idle: leave it "
            "out, or choose the schedule synchronous",
            name);
    if (target > collaboration->learners)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "buffer '%" PRId64 "' must be at most %" PRId64
                        ", the number of learners; lower it, or raise learners",
                        target, collaboration->learners);
    if (target && target < participation->minimum)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "buffer '%" PRId64 "' must be at least %" PRId64
                        ", the minimum of summaries; raise it, or lower participation.minimum",
                        target, participation->minimum);
    if (rules.period_ms && participation->deadline_ms)
        return error_at(error, experiment_mark(experiment, "collaboration.participation.deadline"),
                        STATUS_INVALID_ARGUMENT,
                        "deadline does not go with schedule %s, whose period ends a round: leave it out",
                        name);
    if (participation->over_selection > 1)
        return error_at(error, experiment_mark(experiment, "collaboration.participation.over_selection"),
                        STATUS_INVALID_ARGUMENT,
                        "over_selection does not go with schedule %s, which drops nobody: leave it out",
                        name);
    if (strcmp(collaboration->topology.kind->name, "star") != 0)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "schedule %s needs a coordinator that takes each summary as it comes: choose the "
                        "topology star, or the schedule synchronous",
                        name);
    return STATUS_OK;
}

// Summaries of a round when every learner is a member.
static double n_selected(const struct collaboration_options *collaboration)
{
    double selected = ceil(collaboration->participation.fraction * (double)collaboration->learners - 1e-9);
    selected = fmax(selected, fmax(1, (double)collaboration->participation.minimum));
    selected = ceil(selected * collaboration->participation.over_selection - 1e-9);
    return fmin(selected, (double)collaboration->learners);
}

// The ring holds so many (reduce/ring.h).
static enum status check_selected(const struct experiment *experiment, struct error *error)
{
    double selected = n_selected(&experiment->options.collaboration);
    if (selected <= RING_TERMS_MAX)
        return STATUS_OK;
    return error_at(error, experiment_mark(experiment, "collaboration.learners"), STATUS_INVALID_ARGUMENT,
                    "a round would select %.0f learners, but a mean holds at most %d summaries; lower "
                    "participation.fraction or learners",
                    selected, RING_TERMS_MAX);
}

// Whatever number of summaries a round commits with, the reducer must be able to reduce it.
static enum status check_reducer(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct choice *choice = &collaboration->reducer;
    const struct reducer_kind *kind = (const struct reducer_kind *)choice->kind;
    int64_t minimum = collaboration->participation.minimum;
    if (!kind->check_learners)
        return STATUS_OK;
    enum status status = kind->check_learners(choice->options, minimum ? (size_t)minimum : 1,
                                              (size_t)n_selected(collaboration), error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, choice->mark, status);
}

static enum status check_stop(const struct experiment *experiment, struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    const struct stop_options *stop = &options->collaboration.stop;
    enum experiment_metric metric = (enum experiment_metric)stop->metric;
    struct mark mark = experiment_mark(experiment, "collaboration.stop.metric");
    if (!options->collaboration.has_stop)
        return STATUS_OK;
    if (stop_check(stop, error) != STATUS_OK)
        return error_point(
            error, stop->has_at_least ? experiment_mark(experiment, "collaboration.stop.at_least") : mark,
            STATUS_INVALID_ARGUMENT);
    if (metric_is_test(metric) && !(options->has_data && options->data.has_test))
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "metric '%s' needs test data; add data.test, or stop by train_loss",
                        metric_words[metric]);
    if (metric_is_local(metric) && options->evaluation.holdout <= 0)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "metric '%s' needs data that learners hold out; set evaluation.holdout",
                        metric_words[metric]);
    return STATUS_OK;
}

static enum status check_simulation(const struct experiment *experiment, struct error *error)
{
    enum status status = simulation_check(&experiment->options.simulation,
                                          (uint32_t)experiment->options.collaboration.learners, error);
    return status == STATUS_OK ? STATUS_OK
                               : error_point(error, experiment_mark(experiment, "simulation"), status);
}

// Whose models, and what they are compared on.
static enum status check_models(const struct experiment *experiment, const struct algorithm_kind *kind,
                                struct error *error)
{
    const struct experiment_options *options = &experiment->options;
    if (options->model.variants.n > 0 && !kind->any_models)
        return error_at(
            error, experiment_mark(experiment, "model.variants"), STATUS_INVALID_ARGUMENT,
            "algorithm '%s' exchanges parameters, so that all learners need the same layers; leave "
            "variants out, or choose an algorithm that exchanges predictions, such as infomax",
            kind->kind.name);
    if (options->model.weights && kind->own_models)
        return error_at(error, experiment_mark(experiment, "model.weights"), STATUS_INVALID_ARGUMENT,
                        "algorithm '%s' has no model that all share; leave weights out", kind->kind.name);
    if (kind->needs_probe && options->has_data && !options->data.has_probe)
        return error_at(error, options->collaboration.algorithm.mark, STATUS_INVALID_ARGUMENT,
                        "algorithm '%s' compares predictions on samples that all learners share; add "
                        "data.probe: {samples: 500}, or name a file of such samples",
                        kind->kind.name);
    return STATUS_OK;
}

static enum status check_algorithm(const struct experiment *experiment, struct error *error)
{
    const struct choice *choice = &experiment->options.collaboration.algorithm;
    const struct algorithm_kind *kind = (const struct algorithm_kind *)choice->kind;
    TRY(check_models(experiment, kind, error));
    if (!kind->check_training)
        return STATUS_OK;
    enum status status = kind->check_training(choice->options, &experiment->options.training, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, choice->mark, status);
}

enum status experiment_check(const struct experiment *experiment, struct error *error)
{
    TRY(check_name(experiment, error));
    TRY(check_data(experiment, error));
    TRY(check_layers(experiment, error));
    TRY(check_participation(experiment, error));
    TRY(check_start(experiment, error));
    TRY(check_selected(experiment, error));
    TRY(check_reducer(experiment, error));
    TRY(check_schedule(experiment, error));
    TRY(check_stop(experiment, error));
    TRY(experiment_check_exchange(experiment, error));
    TRY(check_simulation(experiment, error));
    return check_algorithm(experiment, error);
}
