#include "experiment/check.h"
#include "experiment/coding.h"
#include "reduce/reducer.h"
#include "topology/topology.h"
#include <string.h>

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

enum status experiment_check_exchange(const struct experiment *experiment, struct error *error)
{
    TRY(check_codec(experiment, error));
    TRY(check_downlink(experiment, error));
    return check_topology(experiment, error);
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
