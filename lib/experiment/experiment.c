#include "experiment/experiment.h"
#include "base/memory.h"
#include "experiment/coding.h"
#include "reduce/reducer.h"
#include "topology/topology.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { ARENA_BYTES_MAX = 64 << 20, KEY_BYTES = 256 };

struct mark experiment_mark(const struct experiment *experiment, const char *path)
{
    const struct node *node = experiment->document.root;
    for (const char *rest = path; rest;) {
        char key[64] = "";
        size_t n = strcspn(rest, ".");
        memcpy(key, rest, n < sizeof key ? n : sizeof key - 1);
        const struct node *next = node_get(node, key);
        if (!next)
            break;
        node = next;
        rest = rest[n] ? rest + n + 1 : NULL;
    }
    return node->mark;
}

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

struct round_rules experiment_rules(const struct experiment_options *options)
{
    const struct choice *schedule = &options->collaboration.schedule;
    struct round_rules rules;
    ((const struct round_schedule_kind *)(const void *)schedule->kind)->rules(schedule->options, &rules);
    return rules;
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

// Relays send sums on, so everything that decides on a summary must be known where it is added.
static enum status check_sums(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct reducer_kind *reducer =
        (const struct reducer_kind *)(const void *)collaboration->reducer.kind;
    if (!reducer->sums)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "topology '%s' adds summaries up on the way, which reducer '%s' does not allow; use "
                         "reducer mean, or topology star",
                         collaboration->topology.kind->name, reducer->kind.name);
    return STATUS_OK;
}

// Between peers sums are made without a reducer or a codec.
static enum status check_peers(const struct collaboration_options *collaboration, struct error *error)
{
    const char *topology = collaboration->topology.kind->name;
    const struct algorithm_kind *algorithm = (const struct algorithm_kind *)collaboration->algorithm.kind;
    if (strcmp(collaboration->reducer.kind->name, "mean") != 0)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "topology '%s' makes means between learners and has no reducer '%s'; use topology star, "
            "or reducer mean",
            topology, collaboration->reducer.kind->name);
    if (strcmp(collaboration->codec.kind->name, "f32") != 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "topology '%s' has no codec '%s' between learners; use topology star, or codec f32",
                         topology, collaboration->codec.kind->name);
    if (algorithm->resolve)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "algorithm '%s' needs all reduced values at once, which no learner has under topology "
            "'%s'; use topology star, or an algorithm such as fedavg",
            algorithm->kind.name, topology);
    return STATUS_OK;
}

// Sums made on the way do not show how far each summary lies.
static enum status check_max_norm(const struct collaboration_options *collaboration, struct error *error)
{
    const struct topology_kind *kind = (const struct topology_kind *)collaboration->topology.kind;
    if (collaboration->max_norm == 0 || (kind->peers == PEERS_NONE && !kind->n_relays))
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "topology '%s' adds summaries up where nobody holds them to max_norm; use topology star, "
        "or max_norm 0",
        kind->kind.name);
}

static enum status check_topology(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct choice *choice = &collaboration->topology;
    const struct topology_kind *kind = (const struct topology_kind *)choice->kind;
    enum status status = STATUS_OK;
    if (kind->check_learners)
        status = kind->check_learners(choice->options, (size_t)collaboration->learners, error);
    if (status == STATUS_OK && kind->n_relays)
        status = check_sums(experiment, error);
    if (status == STATUS_OK && kind->peers != PEERS_NONE)
        status = check_peers(collaboration, error);
    if (status == STATUS_OK)
        status = check_max_norm(collaboration, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, choice->mark, status);
}

// Coded summaries are taken apart where the model is that they lie around.
static enum status check_codec(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    if (experiment_sends_values(&experiment->options) ||
        strcmp(collaboration->topology.kind->name, "star") == 0)
        return STATUS_OK;
    return error_at(
        error, collaboration->codec.mark, STATUS_INVALID_ARGUMENT,
        "codec '%s' does not go with topology %s, where summaries are summed on their way; choose "
        "f32, or the topology star",
        collaboration->codec.kind->name, collaboration->topology.kind->name);
}

// Models come from the coordinator, whole or as differences.
static enum status check_downlink(const struct experiment *experiment, struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct topology_kind *topology = (const struct topology_kind *)collaboration->topology.kind;
    const struct choice *choice = &collaboration->downlink;
    const struct codec_kind *codec = (const struct codec_kind *)(const void *)choice->kind;
    if (codec->identity)
        return STATUS_OK;
    if (topology->peers != PEERS_NONE)
        return error_at(error, choice->mark, STATUS_INVALID_ARGUMENT,
                        "downlink '%s' does not go with topology %s, where models do not come from the "
                        "coordinator; choose f32, or the topology star or tree",
                        codec->kind.name, topology->kind.name);
    if (codec->wants_difference)
        return error_at(error, choice->mark, STATUS_INVALID_ARGUMENT,
                        "downlink '%s' would leave little of a model's weights; choose {kind: delta, codec: "
                        "%s}, which codes what has changed, or f16, bf16, int8 or int4",
                        codec->kind.name, codec->kind.name);
    return STATUS_OK;
}

// Stale summaries lie around models that are gone.
static enum status check_stale_coding(const struct experiment *experiment, const struct algorithm_plan *plan,
                                      struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct round_rules rules = experiment_rules(&experiment->options);
    if (!rules.continuous || !plan->around_model || experiment_sends_values(&experiment->options))
        return STATUS_OK;
    return error_at(
        error, collaboration->codec.mark, STATUS_INVALID_ARGUMENT,
        "with schedule '%s', codec '%s' does not go with algorithm '%s', whose weights it codes as "
        "their distance from a model that the coordinator keeps no longer: choose fedbuff, which "
        "sends updates, or codec f32",
        collaboration->schedule.kind->name, collaboration->codec.kind->name,
        collaboration->algorithm.kind->name);
}

enum status experiment_check_plan(const struct experiment *experiment, const struct algorithm_plan *plan,
                                  struct error *error)
{
    const struct collaboration_options *collaboration = &experiment->options.collaboration;
    const struct topology_kind *kind = (const struct topology_kind *)collaboration->topology.kind;
    const char *algorithm = collaboration->algorithm.kind->name, *topology = kind->kind.name;
    TRY(check_stale_coding(experiment, plan, error));
    if (kind->peers == PEERS_NONE)
        return STATUS_OK;
    if (plan->shares == SHARES_VALUES || plan->n_shared != 1 || plan->n_vectors != 1 || plan->n_scalars != 0)
        return error_at(
            error, collaboration->topology.mark, STATUS_INVALID_ARGUMENT,
            "algorithm '%s' exchanges more than one vector of parameters, which topology '%s' does not "
            "pass between learners; use topology star, or an algorithm such as fedavg",
            algorithm, topology);
    if (kind->peers == PEERS_MIX && !plan->around_model)
        return error_at(error, collaboration->topology.mark, STATUS_INVALID_ARGUMENT,
                        "algorithm '%s' exchanges no weights, so that learners' models would never mix under "
                        "topology '%s'; use topology star or ring, or an algorithm such as fedavg",
                        algorithm, topology);
    return STATUS_OK;
}

static enum status check(const struct experiment *experiment, struct error *error)
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
    TRY(check_codec(experiment, error));
    TRY(check_downlink(experiment, error));
    TRY(check_topology(experiment, error));
    TRY(check_simulation(experiment, error));
    return check_algorithm(experiment, error);
}

static enum status override(struct experiment *experiment, const struct experiment_override *row,
                            struct error *error)
{
    char key[KEY_BYTES] = "";
    size_t n = strcspn(row->text, "=");
    struct mark mark = {.source = row->source};
    if (!row->text[n] || n == 0 || n >= sizeof key)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "an override is written key.path=value, as in training.batch_size=64");
    memcpy(key, row->text, n);
    return document_set(&experiment->document, key, row->text + n + 1, row->source, error);
}

static enum status resolve(struct experiment *experiment, const struct experiment_override *overrides,
                           size_t n_overrides, struct error *error)
{
    for (size_t i = 0; i < n_overrides; i++)
        TRY(override(experiment, &overrides[i], error));
    TRY(fields_read(experiment_fields, experiment->document.root, &experiment->options, &experiment->arena,
                    error));
    return check(experiment, error);
}

// Takes the document.
static enum status finish(struct experiment *ret, const struct document *document,
                          const struct experiment_override *overrides, size_t n_overrides,
                          struct error *error)
{
    struct experiment experiment = {.document = *document, .arena.limit_bytes = ARENA_BYTES_MAX};
    enum status status = resolve(&experiment, overrides, n_overrides, error);
    if (status == STATUS_OK)
        *ret = experiment;
    else
        experiment_release(&experiment);
    return status;
}

enum status experiment_load(struct experiment *ret, const char *path,
                            const struct experiment_override *overrides, size_t n_overrides,
                            struct error *error)
{
    struct document document = DOCUMENT_INIT;
    TRY(document_load(&document, path, error));
    return finish(ret, &document, overrides, n_overrides, error);
}

enum status experiment_parse(struct experiment *ret, const char *text, size_t n, const char *source,
                             const struct experiment_override *overrides, size_t n_overrides,
                             struct error *error)
{
    struct document document = DOCUMENT_INIT;
    TRY(document_parse(&document, text, n, source, error));
    return finish(ret, &document, overrides, n_overrides, error);
}

void experiment_release(struct experiment *experiment)
{
    document_release(&experiment->document);
    arena_release(&experiment->arena);
    experiment->options = (struct experiment_options){0};
}

void experiment_dump(const struct experiment *experiment, struct bytes *ret)
{
    fields_dump(experiment_fields, &experiment->options, 0, ret);
}

// Not every algorithm can train every model.
static enum status check_model(const struct experiment *experiment, const struct model *model,
                               struct error *error)
{
    const struct choice *choice = &experiment->options.collaboration.algorithm;
    const struct algorithm_kind *kind = (const struct algorithm_kind *)choice->kind;
    if (!kind || !kind->check_model)
        return STATUS_OK;
    enum status status = kind->check_model(choice->options, model, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, choice->mark, status);
}

enum status experiment_model(const struct experiment *experiment, const struct shape *input, size_t n_outputs,
                             enum target_type targets, struct model **ret, struct error *error)
{
    return experiment_variant(experiment, 0, input, n_outputs, targets, ret, error);
}

size_t experiment_n_variants(const struct experiment *experiment)
{
    return model_n_variants(&experiment->options.model);
}

enum status experiment_variant(const struct experiment *experiment, size_t variant, const struct shape *input,
                               size_t n_outputs, enum target_type targets, struct model **ret,
                               struct error *error)
{
    const struct model_options options = model_variant_options(&experiment->options.model, variant);
    struct model *model = NULL;
    TRY(model_new(&model, &options, input, n_outputs, targets, error));
    enum status status = check_model(experiment, model, error);
    if (status == STATUS_OK)
        *ret = model;
    else
        model_free(model);
    return status;
}
