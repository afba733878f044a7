// Rounds between peers. The coordinator collects who has trained (summaries without values), tells those who
// have who their neighbours are, and commits once all of them have exchanged: it never holds a parameter.
//
// An exchange that fails is tried again, from the parameters that are trained already, by those who are still
// there; by others too, once they have trained, where fewer than the minimum or PEER_COPIES are left. A peer
// that another one cannot go on with is suspected; suspected twice it is left out, and so is one that
// suspects others three times.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "topology/topology.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SUSPECTED_MAX = 2, SUSPECTS_MAX = 3, ATTEMPTS_MAX = 30, DIGEST_DIGITS = 16 };

struct participant {
    bool takes_part, done;
    uint8_t n_suspected, n_suspects;
    uint64_t incarnation;
    uint64_t bytes;
    double distance;
    char sha256[SHA256_HEX_BYTES], digest[17];
};

struct job_peers {
    bool under_way;
    uint32_t round, attempt;
    struct participant *slots; // [n_slots]
    // In the exchange under way, by place: slots that take part, ascending.
    uint32_t *members; // [n_slots]
    uint32_t n;
    char digest[17];              // ring: of the last committed model
    uint8_t sha256[SHA256_BYTES]; // of the round that is being committed
};

static const struct topology_kind *topology_of(const struct job *job)
{
    return (const struct topology_kind *)(const void *)job->experiment.options.collaboration.topology.kind;
}

bool job_between_peers(const struct job *job)
{
    return topology_of(job)->peers != PEERS_NONE;
}

bool job_peers_agree(const struct job *job)
{
    return topology_of(job)->peers == PEERS_RING;
}

enum status job_peers_new(struct job *job, struct error *error)
{
    if (!job_between_peers(job))
        return STATUS_OK;
    struct job_peers *peers = job->peers = memory_zalloc(sizeof *peers);
    if (!peers)
        return error_no_memory(error, sizeof *peers);
    peers->slots = memory_array(job->n_slots, sizeof *peers->slots);
    peers->members = memory_array(job->n_slots, sizeof *peers->members);
    return peers->slots && peers->members ? STATUS_OK
                                          : error_no_memory(error, job->n_slots * sizeof *peers->slots);
}

void job_peers_free(struct job *job)
{
    if (!job->peers)
        return;
    memory_free(job->peers->slots);
    memory_free(job->peers->members);
    job->peers = memory_free(job->peers);
}

// ---- an attempt -----------------------------------------------------------------------------------------

static bool is_there(const struct job *job, uint32_t slot)
{
    const struct member *member = job->slots[slot].member;
    return member && member->call && member->incarnation == job->peers->slots[slot].incarnation;
}

static uint64_t gather(struct job *job)
{
    struct job_peers *peers = job->peers;
    uint64_t total = 0;
    peers->n = 0;
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        struct participant *participant = &peers->slots[slot];
        participant->takes_part = participant->takes_part && is_there(job, slot);
        participant->done = false;
        if (!participant->takes_part)
            continue;
        peers->members[peers->n++] = slot;
        total += job->slots[slot].report.weight;
    }
    return total;
}

static void fill_peer(const struct job *job, uint32_t place, double share, cohort_v1_Peer *ret)
{
    const struct member *member = job->slots[job->peers->members[place]].member;
    snprintf(ret->learner, sizeof ret->learner, "%s", member->name);
    snprintf(ret->address, sizeof ret->address, "%s", member->address);
    ret->incarnation = member->incarnation;
    ret->share = share;
}

// The left and the right neighbour, and what part of the mean the learner's own values are.
static void fill_ring(const struct job *job, uint32_t place, uint64_t total, cohort_v1_ExchangePeers *ret)
{
    uint32_t n = job->peers->n;
    ret->share = (double)job->slots[job->peers->members[place]].report.weight / (double)total;
    if (n == 1)
        return;
    fill_peer(job, (place + n - 1) % n, 0, &ret->peers[ret->peers_count++]);
    fill_peer(job, (place + 1) % n, 0, &ret->peers[ret->peers_count++]);
}

static void fill_graph(const struct job *job, uint32_t place, const struct graph *graph,
                       cohort_v1_ExchangePeers *ret)
{
    ret->share = graph_weight(graph, place, place);
    for (size_t k = graph->starts[place]; k < graph->starts[place + 1]; k++) {
        uint32_t other = graph->neighbours[k];
        fill_peer(job, other, graph_weight(graph, place, other), &ret->peers[ret->peers_count++]);
    }
}

static enum status send_all(struct job *job, uint64_t total, const struct graph *graph, struct error *error)
{
    struct job_peers *peers = job->peers;
    for (uint32_t place = 0; place < peers->n; place++) {
        cohort_v1_AttendResponse message = cohort_v1_AttendResponse_init_zero;
        message.which_event = cohort_v1_AttendResponse_exchange_tag;
        cohort_v1_ExchangePeers *exchange = &message.event.exchange;
        size_t room = graph ? graph_degree(graph, place) : 2;
        cleanup_free cohort_v1_Peer *list = memory_array(room + 1, sizeof *list);
        if (!list)
            return error_no_memory(error, room * sizeof *list);
        exchange->peers = list;
        snprintf(exchange->experiment_id, sizeof exchange->experiment_id, "%s", job->id);
        exchange->round = round_number(job->round);
        exchange->attempt = peers->attempt;
        exchange->place = place;
        exchange->n_learners = peers->n;
        exchange->hash = graph || place == peers->n - 1; // the one whose values settle in order
        if (graph)
            fill_graph(job, place, graph, exchange);
        else
            fill_ring(job, place, total, exchange);
        struct member *member = job->slots[peers->members[place]].member;
        member->state = cohort_v1_LearnerState_LEARNER_STATE_UPLOADING;
        member_send(member, &message);
    }
    return STATUS_OK;
}

static enum status begin_attempt(struct job *job, uint64_t total, struct error *error)
{
    struct job_peers *peers = job->peers;
    if (peers->attempt == ATTEMPTS_MAX)
        return error_set(error, STATUS_ABORTED,
                         "the learners could not exchange with each other in %d attempts; see their "
                         "messages, and that each "
                         "reaches the address that the others advertise",
                         ATTEMPTS_MAX);
    peers->attempt++;
    const struct topology_kind *topology = topology_of(job);
    struct graph graph = GRAPH_INIT;
    if (topology->peers == PEERS_MIX)
        TRY(topology->graph(job->experiment.options.collaboration.topology.options, job->n_slots,
                            peers->members, peers->n, &graph, error));
    enum status status = send_all(job, total, topology->peers == PEERS_MIX ? &graph : NULL, error);
    graph_release(&graph);
    return status;
}

static bool collect_again(struct job *job)
{
    job->peers->under_way = false; // before the round asks for it anew
    log_info("too few who trained are left to exchange: the round is collected again",
             LOG_S("experiment", job->id), LOG_I("round", round_number(job->round)),
             LOG_I("left", job->peers->n));
    return round_collect_again(job->round, clock_monotonic_ms());
}

static void attempt(struct job *job)
{
    struct job_peers *peers = job->peers;
    struct error error = ERROR_INIT;
    uint64_t total = gather(job);
    bool too_few = peers->n < round_needed(job->round, peers->n);
    if (too_few && collect_again(job))
        return;
    enum status status =
        too_few ? error_set(&error, STATUS_ABORTED,
                            "of the learners that trained, %u are left to exchange, again and again; see the "
                            "learners' messages, or lower collaboration.participation.minimum",
                            peers->n)
                : begin_attempt(job, total, &error);
    if (status == STATUS_OK)
        return;
    peers->under_way = false;
    snprintf(job->message, sizeof job->message, "round %u could not be committed: %.400s",
             round_number(job->round), error.message);
    round_committed(job->round, false, clock_monotonic_ms());
}

void job_peers_start(struct job *job)
{
    struct job_peers *peers = job->peers;
    peers->under_way = true;
    if (peers->round != round_number(job->round)) // else those before are void, and told by their number
        peers->attempt = 0;
    peers->round = round_number(job->round);
    for (uint32_t slot = 0; slot < job->n_slots; slot++) {
        const struct member *member = job->slots[slot].member;
        peers->slots[slot] = (struct participant){
            .takes_part = member && round_slot(job->round, slot)->task == TASK_SUBMITTED,
            .incarnation = member ? member->incarnation : 0,
        };
    }
    attempt(job);
}

// ---- the end of it --------------------------------------------------------------------------------------

static bool digests_agree(const struct job_peers *peers)
{
    for (uint32_t place = 1; place < peers->n; place++)
        if (strcmp(peers->slots[peers->members[place]].digest, peers->slots[peers->members[0]].digest) != 0)
            return false;
    return true;
}

static void hash_all(const struct job_peers *peers, uint8_t ret[SHA256_BYTES])
{
    char text[SHA256_HEX_BYTES];
    struct sha256 *hash = sha256_new();
    for (uint32_t place = 0; hash && place < peers->n; place++) {
        memcpy(text, peers->slots[peers->members[place]].sha256, sizeof text);
        sha256_add(hash, text, SHA256_HEX_BYTES - 1);
    }
    if (hash)
        sha256_finish(hash, ret);
    sha256_free(hash);
}

static bool read_hex(const char *hex, uint8_t ret[SHA256_BYTES])
{
    for (int i = 0; i < SHA256_BYTES; i++)
        if (sscanf(hex + (ptrdiff_t)2 * i, "%2hhx", &ret[i]) != 1)
            return false;
    return true;
}

// Who has the model now: written down with the round, so that a restarted coordinator knows whom to ask.
static void note_holders(struct job *job)
{
    struct job_peers *peers = job->peers;
    for (uint32_t place = 0; place < peers->n; place++) {
        const struct participant *participant = &peers->slots[peers->members[place]];
        struct job_slot *slot = &job->slots[peers->members[place]];
        slot->holds_round = round_number(job->round);
        slot->holds_incarnation = participant->incarnation;
    }
    if (topology_of(job)->peers == PEERS_RING) {
        read_hex(peers->slots[peers->members[peers->n - 1]].sha256, peers->sha256);
        memcpy(peers->digest, peers->slots[peers->members[0]].digest, sizeof peers->digest);
    } else {
        hash_all(peers, peers->sha256);
    }
    job->n_committed_summaries = peers->n;
}

static void conclude(struct job *job)
{
    struct job_peers *peers = job->peers;
    double squares = 0;
    for (uint32_t place = 0; place < peers->n; place++) {
        const struct participant *participant = &peers->slots[peers->members[place]];
        struct member *member = job->slots[peers->members[place]].member;
        if (member)
            member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
        squares += participant->distance * participant->distance;
        job->bytes_up += participant->bytes;
        job->bytes_down += participant->bytes; // what one sends another one receives
    }
    job->current->round = round_number(job->round);
    job_hash_tell(job, peers->sha256);
    job_conclude_round(job, sqrt(squares / peers->n));
}

static void run_commit(struct pool_job *pool_job)
{
    struct job *job = container_of(pool_job, struct job, commit_job);
    struct error error = ERROR_INIT;
    enum status status = job_journal_commit(job, round_number(job->round), job->peers->sha256, &error);
    coordinator_lock(job->coordinator);
    if (status != STATUS_OK && !job_is_over(job))
        snprintf(job->message, sizeof job->message, "round %u could not be committed: %.400s",
                 round_number(job->round), error.message);
    if (status == STATUS_OK && !job_is_over(job))
        conclude(job);
    else
        round_committed(job->round, false, clock_monotonic_ms());
    coordinator_unlock(job->coordinator);
}

static void commit(struct job *job)
{
    job->peers->under_way = false;
    note_holders(job);
    if (!job->coordinator->journal) {
        conclude(job);
        return;
    }
    job->commit_job.run = run_commit;
    pool_post(job->coordinator->pool, &job->commit_job);
}

bool job_peers_took_part(const struct job *job, uint32_t slot)
{
    return job->peers->slots[slot].takes_part;
}

// ---- what a restarted coordinator has to know -----------------------------------------------------------

void job_peers_write_notes(const struct job *job, struct bytes *ret)
{
    if (*job->peers->digest)
        bytes_format(ret, "digest %s\n", job->peers->digest);
    for (uint32_t slot = 0; slot < job->n_slots; slot++)
        if (job->slots[slot].holds_round)
            bytes_format(ret, "holds %" PRIu32 " %" PRIu32 " %" PRIu64 "\n", slot,
                         job->slots[slot].holds_round, job->slots[slot].holds_incarnation);
}

void job_peers_read_notes(struct job *job, const char *notes)
{
    for (const char *line = notes; line && *line; line = strchr(line, '\n')) {
        uint32_t slot = 0, number = 0;
        uint64_t incarnation = 0;
        line += *line == '\n';
        sscanf(line, "digest %16s", job->peers->digest);
        if (sscanf(line, "holds %" SCNu32 " %" SCNu32 " %" SCNu64, &slot, &number, &incarnation) == 3 &&
            slot < job->n_slots) {
            job->slots[slot].holds_round = number;
            job->slots[slot].holds_incarnation = incarnation;
        }
    }
}

static void consider(struct job *job)
{
    struct job_peers *peers = job->peers;
    for (uint32_t place = 0; place < peers->n; place++)
        if (!peers->slots[peers->members[place]].done)
            return;
    if (topology_of(job)->peers == PEERS_RING && !digests_agree(peers))
        attempt(job); // bytes were damaged on the way
    else
        commit(job);
}

static void leave_out(struct job *job, uint32_t slot, const char *message)
{
    struct member *member = job->slots[slot].member;
    job->peers->slots[slot].takes_part = false;
    job->n_rejected++;
    if (!member)
        return;
    member->state = cohort_v1_LearnerState_LEARNER_STATE_READY;
    job_event_learner(job, member, message);
}

// Who is to blame is left out, sooner or later; everyone else tries again.
static void exchange_failed(struct job *job, uint32_t slot, const cohort_v1_Exchanged *exchanged)
{
    struct job_peers *peers = job->peers;
    uint32_t suspect = slot;
    for (uint32_t place = 0; place < peers->n; place++)
        if (*exchanged->suspect && strcmp(job->slots[peers->members[place]].name, exchanged->suspect) == 0)
            suspect = peers->members[place];
    if (suspect == slot || ++peers->slots[suspect].n_suspected == SUSPECTED_MAX)
        leave_out(job, suspect, exchanged->message);
    else if (++peers->slots[slot].n_suspects == SUSPECTS_MAX)
        leave_out(job, slot, exchanged->message);
    attempt(job);
}

static bool is_fit(const struct job *job, uint32_t slot, const cohort_v1_Exchanged *exchanged)
{
    const char *const digits = "0123456789abcdef";
    if (topology_of(job)->peers == PEERS_RING && strspn(exchanged->digest, digits) != DIGEST_DIGITS)
        return false;
    bool asked = topology_of(job)->peers != PEERS_RING || job->peers->members[job->peers->n - 1] == slot;
    return !asked || strspn(exchanged->sha256, digits) == SHA256_HEX_BYTES - 1;
}

void job_peers_exchanged(struct job *job, struct member *member, const cohort_v1_Exchanged *exchanged)
{
    struct job_peers *peers = job->peers;
    if (!peers || !peers->under_way || exchanged->round != round_number(job->round) ||
        exchanged->attempt != peers->attempt)
        return; // of an attempt that is void
    struct participant *participant = &peers->slots[member->slot];
    if (!participant->takes_part || participant->done || participant->incarnation != member->incarnation)
        return;
    if (!exchanged->ok || !is_fit(job, member->slot, exchanged)) {
        exchange_failed(job, member->slot, exchanged);
        return;
    }
    participant->done = true;
    participant->bytes = exchanged->bytes;
    participant->distance = isfinite(exchanged->parameter_distance) ? exchanged->parameter_distance : 0;
    memcpy(participant->sha256, exchanged->sha256, sizeof participant->sha256);
    memcpy(participant->digest, exchanged->digest, sizeof participant->digest);
    consider(job);
}

void job_peers_lost(struct job *job, uint32_t slot)
{
    struct job_peers *peers = job->peers;
    if (!peers || !peers->under_way || job_is_over(job) || !peers->slots[slot].takes_part)
        return;
    peers->slots[slot].takes_part = false;
    attempt(job);
}

// ---- who has the model ----------------------------------------------------------------------------------

void job_peers_sources(const struct job *job, uint32_t slot, cohort_v1_Peer ret[JOB_SOURCES_MAX],
                       cohort_v1_Assignment *assignment)
{
    if (topology_of(job)->peers == PEERS_MIX)
        *assignment->model_id = '\0'; // each has its own
    else if (*job->peers->digest)
        memcpy(assignment->model_id, job->peers->digest, sizeof assignment->model_id);
    memcpy(assignment->model_digest, job->peers->digest, sizeof assignment->model_digest);
    assignment->sources = ret;
    for (uint32_t k = 1; k < job->n_slots && job->current->round; k++) {
        uint32_t other = (slot + k) % job->n_slots;
        const struct job_slot *it = &job->slots[other];
        if (assignment->sources_count == JOB_SOURCES_MAX)
            break;
        if (!it->member || it->holds_round != job->current->round ||
            it->holds_incarnation != it->member->incarnation)
            continue;
        cohort_v1_Peer *source = &ret[assignment->sources_count++];
        *source = (cohort_v1_Peer)cohort_v1_Peer_init_zero;
        snprintf(source->learner, sizeof source->learner, "%s", it->member->name);
        snprintf(source->address, sizeof source->address, "%s", it->member->address);
        source->incarnation = it->member->incarnation;
    }
}
