#include "learner/peers_round.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "learner/channels.h"
#include "learner/host.h"
#include "learner/peers_hash.h"
#include "store/safetensors.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

static const struct topology_kind *topology_of(const struct learner *learner)
{
    return (const struct topology_kind *)(const void *)
        learner->study->experiment.options.collaboration.topology.kind;
}

static const void *topology_options(const struct learner *learner)
{
    return learner->study->experiment.options.collaboration.topology.options;
}

bool learner_between_peers(const struct learner *learner)
{
    return learner->study && topology_of(learner)->peers != PEERS_NONE;
}

// ---- buffers --------------------------------------------------------------------------------------------

static bool mean_is_next(const struct learner *learner)
{
    return learner->study->plan.in_place && !study_algorithm(learner->study)->reupdate &&
           learner->study->plan.n_private == 0;
}

// Nothing is trained: what is kept is the summary.
static bool sends_kept(const struct learner *learner)
{
    return mean_is_next(learner) && study_algorithm(learner->study)->trains_nothing && !learner->reference;
}

// After the vectors of learner_allocate_vectors.
static bool allocate(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    const struct algorithm_plan *plan = &learner->study->plan;
    size_t n_kept = plan_kept_values(plan), n_summary = plan_summary_values(plan);
    if (sends_kept(learner))
        it->kept = learner->shared;
    else if (!it->kept)
        it->kept = memory_floats(n_kept);
    if (mean_is_next(learner) && !sends_kept(learner))
        it->result = it->kept;
    else if (!it->result)
        it->result = memory_floats(n_summary);
    if (mean_is_next(learner))
        it->next = it->result;
    else if (!it->next)
        it->next = memory_floats(n_kept);
    if (topology_of(learner)->peers == PEERS_MIX &&
        topology_of(learner)->steps(topology_options(learner)) > 1 && !it->spare)
        it->spare = memory_floats(n_summary);
    return it->kept && it->result && it->next &&
           (it->spare || topology_of(learner)->peers != PEERS_MIX ||
            topology_of(learner)->steps(topology_options(learner)) == 1);
}

void peer_round_release(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    if (it->next != it->result)
        memory_free(it->next);
    if (it->result != it->kept)
        memory_free(it->result);
    if (it->kept != learner->shared)
        memory_free(it->kept);
    memory_free(it->spare);
    memory_free(it->exchange.peers);
    *it = (struct peer_round){.stamp = it->stamp + 1};
}

// What came of the last exchange is committed: it is what is kept now.
static void adopt_pending(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    if (it->next != it->kept) {
        float *kept = it->kept;
        it->kept = it->next;
        if (it->next == it->result)
            it->result = kept;
        it->next = kept;
        if (sends_kept(learner))
            learner->shared = learner->parameters = learner->summary = it->kept;
    }
    it->has_kept = true;
    it->has_pending = false;
    it->kept_of = it->pending_of;
    memcpy(it->kept_digest, it->pending_digest, sizeof it->kept_digest);
    it->stamp++;
}

const float *peer_round_model(const struct learner *learner, uint32_t round)
{
    const struct peer_round *it = &learner->peer;
    if (it->has_pending && (round == it->pending_of || round == UINT32_MAX))
        return it->next;
    return it->has_kept && (round == it->kept_of || round == UINT32_MAX) ? it->kept : NULL;
}

// ---- the model that a round starts from -----------------------------------------------------------------

void peer_round_note(struct learner *learner, cohort_v1_Assignment *assignment)
{
    struct peer_round *it = &learner->peer;
    it->n_sources = assignment->sources_count;
    if (it->n_sources > PEER_SOURCES_MAX)
        it->n_sources = PEER_SOURCES_MAX;
    if (it->n_sources)
        memcpy(it->sources, assignment->sources, it->n_sources * sizeof *it->sources);
    assignment->sources = NULL; // the message goes
    assignment->sources_count = 0;
}

// In a mix any model of its own will do, but none of a round that was not committed.
static bool is_right(const struct learner *learner, uint32_t round, const char *digest)
{
    const cohort_v1_Assignment *assignment = &learner->assignment;
    return (topology_of(learner)->peers == PEERS_MIX && round <= assignment->model_round) ||
           (round == assignment->model_round && strcmp(digest, assignment->model_digest) == 0);
}

static void train(struct learner *learner)
{
    learner->n_retries = 0;
    learner->result.fetch_seconds = (double)(clock_monotonic_ns() - learner->fetch_started_ns) * 1e-9;
    learner_train(learner);
}

void peer_round_begin(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    it->has_room = learner_allocate_vectors(learner) && allocate(learner);
    if (!it->has_room) {
        learner->activity = ACTIVITY_NONE;
        learner_decline(
            learner,
            "out of memory for the model's parameters; give the process more, or host fewer learners");
        return;
    }
    if (it->has_pending && is_right(learner, it->pending_of, it->pending_digest))
        adopt_pending(learner);
    it->has_pending = false;
    bool has_it = it->has_kept && is_right(learner, it->kept_of, it->kept_digest);
    if (!has_it && learner->assignment.model_round == 0)
        it->has_kept = false; // peer_round_fill makes the initial one
    else if (!has_it) {
        peer_model_catch_up(learner);
        return;
    }
    train(learner);
}

void peer_round_caught_up(struct learner *learner)
{
    train(learner);
}

static enum status initial_weights(struct learner *learner, float *values, struct error *error)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    const struct model *model = learner->variant->model;
    const struct topology_kind *topology = topology_of(learner);
    bool own = topology->own_start && topology->own_start(topology_options(learner));
    uint64_t seed = (uint64_t)options->seed;
    if (own) {
        struct random random = random_open(
            (struct random_key){.seed = seed, .learner = learner->index, .purpose = RANDOM_START});
        seed = random_u64(&random);
    }
    if (options->model.weights && !learner->host->options->use_experiment_data)
        return error_set(
            error, STATUS_PERMISSION_DENIED,
            "model.weights names a file, which this learner does not read for an experiment; leave "
            "it out, or use topology star");
    if (options->model.weights)
        return safetensors_load(options->model.weights, model_layout(model), values, error);
    model_init(model, seed, values);
    return STATUS_OK;
}

// Into `kept`, as the coordinator begins in a star.
static enum status begin_kept(struct learner *learner, struct error *error)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    const struct algorithm_plan *plan = &learner->study->plan;
    size_t n_parameters = model_layout(learner->variant->model)->n_parameters;
    float *kept = learner->peer.kept;
    cleanup_free float *all = plan->shares == SHARES_PREFIX ? memory_floats(n_parameters) : NULL;
    if (plan->shares == SHARES_PREFIX && !all)
        return error_no_memory(error, n_parameters * sizeof *all);
    memset(kept, 0, plan_kept_values(plan) * sizeof *kept);
    if (plan->shares != SHARES_VALUES)
        TRY(initial_weights(learner, all ? all : kept, error));
    if (all)
        memcpy(kept, all, plan->n_values * sizeof *kept);
    const struct algorithm_setting setting = {
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .model = learner->variant->model,
        .seed = (uint64_t)options->seed,
        .n_learners = (uint32_t)options->collaboration.learners,
        .rounds = (uint32_t)options->collaboration.rounds,
        .n_probe = learner->study->has_probe ? learner->study->probe.n_samples : 0,
    };
    if (algorithm->begin)
        algorithm->begin(&setting, plan, kept);
    return STATUS_OK;
}

enum status peer_round_fill(struct learner *learner, struct error *error)
{
    struct peer_round *it = &learner->peer;
    if (!it->has_kept) {
        TRY(begin_kept(learner, error));
        pthread_mutex_lock(&learner->host->lock);
        it->has_kept = true;
        it->kept_of = 0;
        *it->kept_digest = '\0'; // the coordinator knows none of it
        it->stamp++;
        pthread_mutex_unlock(&learner->host->lock);
    }
    if (it->kept != learner->shared)
        memcpy(learner->shared, it->kept, plan_shared_values(&learner->study->plan) * sizeof(float));
    return STATUS_OK;
}

// ---- the exchange ---------------------------------------------------------------------------------------

// What an exchange that succeeded came to.
struct outcome {
    char sha256[65], digest[17];
    double distance;
    uint64_t bytes;
};

static void send_exchanged(struct learner *learner, cohort_v1_Exchanged *exchanged)
{
    const cohort_v1_ExchangePeers *exchange = &learner->peer.exchange;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    memcpy(exchanged->experiment_id, exchange->experiment_id, sizeof exchanged->experiment_id);
    exchanged->round = exchange->round;
    exchanged->attempt = exchange->attempt;
    request.which_event = cohort_v1_AttendRequest_exchanged_tag;
    request.event.exchanged = *exchanged;
    learner_send(learner, &request);
}

static void answer(struct learner *learner, const struct outcome *outcome)
{
    cohort_v1_Exchanged exchanged = cohort_v1_Exchanged_init_zero;
    exchanged.ok = true;
    memcpy(exchanged.sha256, outcome->sha256, sizeof exchanged.sha256);
    memcpy(exchanged.digest, outcome->digest, sizeof exchanged.digest);
    exchanged.parameter_distance = outcome->distance;
    exchanged.bytes = outcome->bytes;
    send_exchanged(learner, &exchanged);
}

static void answer_failure(struct learner *learner, const char *suspect, const char *message)
{
    cohort_v1_Exchanged exchanged = cohort_v1_Exchanged_init_zero;
    snprintf(exchanged.suspect, sizeof exchanged.suspect, "%s", suspect);
    snprintf(exchanged.message, sizeof exchanged.message, "%.500s", message);
    log_warn("cannot exchange", LOG_S("learner", learner->name), LOG_I("round", learner->peer.exchange.round),
             LOG_I("attempt", learner->peer.exchange.attempt), LOG_S("error", message));
    send_exchanged(learner, &exchanged);
}

static void give_channels(struct peer_round *it)
{
    for (size_t i = 0; i < it->n_channels; i++)
        peer_channel_give(it->channels[i]);
    it->channels = memory_free(it->channels);
    it->n_channels = 0;
}

static void failed(void *user, const char *suspect, const char *message)
{
    struct learner *learner = user;
    pthread_mutex_lock(&learner->host->lock);
    if (!learner->peer.wanted && !learner->host->ending)
        answer_failure(learner, suspect, message);
    pthread_mutex_unlock(&learner->host->lock);
}

static enum status hash(const struct learner *learner, char ret_sha256[65], struct error *error)
{
    uint8_t sha256[SHA256_BYTES];
    struct layout layout = {0};
    TRY(plan_layout(&learner->study->plan, learner->variant->model, &layout, error));
    enum status status = safetensors_sha256(&layout, learner->peer.next, sha256, error);
    layout_release(&layout);
    if (status == STATUS_OK)
        sha256_hex(sha256, ret_sha256);
    return status;
}

static enum status conclude(struct learner *learner, struct outcome *ret, struct error *error)
{
    const struct peer_round *it = &learner->peer;
    peer_round_reupdate(learner);
    ret->distance = peers_distance(it->peers);
    ret->bytes = peers_bytes(it->peers);
    if (it->hash) {
        peers_hash_names(it->hash, ret->digest, ret->sha256);
        return STATUS_OK;
    }
    digest_hex(digest_of(it->next, learner->study->plan.n_values * sizeof(float)), ret->digest);
    return it->hashes ? hash(learner, ret->sha256, error) : STATUS_OK;
}

// In the pool: nothing moves any more.
static void end_exchange(void *user)
{
    struct learner *learner = user;
    struct host *host = learner->host;
    struct peer_round *it = &learner->peer;
    struct error error = ERROR_INIT;
    struct outcome outcome = {0};
    bool ok = it->ended_well;
    enum status status = ok ? conclude(learner, &outcome, &error) : STATUS_ABORTED;
    pthread_mutex_lock(&host->lock);
    it->peers = peers_free(it->peers);
    it->hash = peers_hash_free(it->hash);
    give_channels(it);
    it->stamp++;
    it->has_pending = status == STATUS_OK;
    it->pending_of = it->exchanging_of;
    memcpy(it->pending_digest, outcome.digest, sizeof it->pending_digest);
    bool current = !it->wanted && !host->ending;
    if (ok && current && it->has_pending)
        answer(learner, &outcome);
    else if (ok && current)
        answer_failure(learner, "", error.message);
    learner->activity = ACTIVITY_NONE;
    learner_go_on(learner);
    pthread_mutex_unlock(&host->lock);
}

static void ended(void *user, bool ok)
{
    struct learner *learner = user;
    learner->peer.ended_well = ok;
    if (!learner->peer.hash || peers_hash_end(learner->peer.hash))
        end_exchange(learner);
}

static void settled(void *user, size_t first, size_t n)
{
    struct learner *learner = user;
    peers_hash_settled(learner->peer.hash, first, n);
}

// Where the mean is the model, it is hashed as it comes.
static enum status make_hash(struct learner *learner, struct error *error)
{
    struct peer_round *it = &learner->peer;
    const struct algorithm_plan *plan = &learner->study->plan;
    struct layout layout = {0};
    struct bytes header = BYTES_INIT;
    if (it->next != it->result || plan_summary_values(plan) != plan->n_values ||
        it->exchange.n_learners < 2 || topology_of(learner)->peers != PEERS_RING)
        return STATUS_OK;
    TRY(plan_layout(plan, learner->variant->model, &layout, error));
    enum status status = safetensors_header(&layout, &header, error);
    const struct peers_hash_options options = {.values = it->result,
                                               .n_values = plan->n_values,
                                               .header = it->exchange.hash ? &header : NULL,
                                               .n_hashed = layout.n_parameters,
                                               .pool = learner->host->pool,
                                               .ended = end_exchange,
                                               .user = learner};
    if (status == STATUS_OK)
        status = peers_hash_new(&it->hash, &options, error);
    bytes_release(&header);
    layout_release(&layout);
    return status;
}

static enum status take_channels(struct learner *learner, struct peers_neighbour *neighbours,
                                 struct error *error)
{
    struct peer_round *it = &learner->peer;
    const cohort_v1_ExchangePeers *exchange = &it->exchange;
    it->channels = memory_array(exchange->peers_count + 1, sizeof(struct peer_channel *));
    if (!it->channels)
        return error_no_memory(error, exchange->peers_count * sizeof *it->channels);
    for (pb_size_t i = 0; i < exchange->peers_count; i++) {
        const cohort_v1_Peer *peer = &exchange->peers[i];
        TRY(peer_channel_take(learner->host, peer->address, &it->channels[it->n_channels], error));
        neighbours[i] = (struct peers_neighbour){.incarnation = peer->incarnation,
                                                 .channel = it->channels[it->n_channels]->channel,
                                                 .share = peer->share};
        snprintf(neighbours[i].learner, sizeof neighbours[i].learner, "%s", peer->learner);
        it->n_channels++;
    }
    return STATUS_OK;
}

static enum status make(struct learner *learner, struct error *error)
{
    struct peer_round *it = &learner->peer;
    const cohort_v1_ExchangePeers *exchange = &it->exchange;
    const struct topology_kind *topology = topology_of(learner);
    cleanup_free struct peers_neighbour *neighbours =
        memory_array(exchange->peers_count + 1, sizeof *neighbours);
    if (!neighbours)
        return error_no_memory(error, exchange->peers_count * sizeof *neighbours);
    TRY(take_channels(learner, neighbours, error));
    TRY(make_hash(learner, error));
    struct peers_options options = {
        .pattern = topology->peers,
        .steps = topology->steps ? topology->steps(topology_options(learner)) : 1,
        .round = exchange->round,
        .attempt = exchange->attempt,
        .incarnation = learner->incarnation,
        .place = exchange->place,
        .n_learners = exchange->n_learners,
        .share = exchange->share,
        .neighbours = neighbours,
        .n_neighbours = exchange->peers_count,
        .n_values = plan_summary_values(&learner->study->plan),
        .values = learner->summary,
        .result = it->result,
        .spare = it->spare,
        .pool = learner->host->pool,
        .door = learner->host->door,
        .cross_door = learner->host->cross_door,
        .settled = it->hash ? settled : NULL,
        .failed = failed,
        .ended = ended,
        .user = learner,
    };
    snprintf(options.experiment_id, sizeof options.experiment_id, "%s", learner->study->id);
    snprintf(options.learner, sizeof options.learner, "%s", learner->name);
    return peers_new(&it->peers, &options, error);
}

static bool makes_sense(const struct learner *learner)
{
    const cohort_v1_ExchangePeers *exchange = &learner->peer.exchange;
    size_t n_expected = exchange->n_learners > 1 ? 2 : 0;
    return exchange->n_learners > 0 && exchange->place < exchange->n_learners &&
           (topology_of(learner)->peers != PEERS_RING || exchange->peers_count == n_expected);
}

void peer_round_start_exchange(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    struct error error = ERROR_INIT;
    it->wanted = false;
    if (learner->kept_round != it->exchange.round || !it->has_room) {
        answer_failure(learner, "", "this learner has nothing trained for the round");
        return;
    }
    if (!makes_sense(learner)) {
        answer_failure(learner, "", "the coordinator named neighbours that make no ring");
        return;
    }
    if (make(learner, &error) != STATUS_OK) {
        give_channels(it);
        it->hash = peers_hash_free(it->hash);
        answer_failure(learner, "", error.message);
        return;
    }
    it->has_pending = false;
    it->has_kept = it->has_kept && it->kept != it->result;
    it->exchanging_of = it->exchange.round;
    it->hashes = it->exchange.hash;
    it->stamp++;
    learner->activity = ACTIVITY_EXCHANGING;
    peers_start(it->peers);
    host_wake_timer(learner->host);
}

void peer_round_exchange(struct learner *learner, const cohort_v1_ExchangePeers *exchange)
{
    struct peer_round *it = &learner->peer;
    if (!learner_between_peers(learner) || learner->dismissed ||
        strcmp(learner->study->id, exchange->experiment_id) != 0)
        return; // of an experiment that it is not in
    cohort_v1_Peer *peers = memory_array(exchange->peers_count + 1, sizeof *peers);
    if (!peers)
        return; // the coordinator hears of it from those who wait for this learner
    if (exchange->peers_count)
        memcpy(peers, exchange->peers, exchange->peers_count * sizeof *peers);
    memory_free(it->exchange.peers);
    it->exchange = *exchange;
    it->exchange.peers = peers;
    it->wanted = true;
    peer_round_cancel_exchange(learner);
    learner_go_on(learner);
}

void peer_round_cancel_exchange(struct learner *learner)
{
    if (learner->peer.peers)
        peers_cancel(learner->peer.peers);
}
