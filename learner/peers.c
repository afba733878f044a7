#include "base/clock.h"
#include "base/memory.h"
#include "learner/peers_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- the end --------------------------------------------------------------------------------------------

// From any thread, even inside the transport: takes no lock but the pool's.
static void let_go(void *user)
{
    struct peers *peers = user;
    if (atomic_fetch_sub(&peers->n_holds, 1) == 1)
        pool_post(peers->options.pool, &peers->end_job);
}

static void hold(struct peers *peers)
{
    atomic_fetch_add(&peers->n_holds, 1);
}

static void run_end(struct pool_job *job)
{
    struct peers *peers = container_of(job, struct peers, end_job);
    peers->options.ended(peers->options.user, peers->ok);
}

static void run_fail(struct pool_job *job)
{
    struct peers *peers = container_of(job, struct peers, fail_job);
    peers->options.failed(peers->options.user, peers->suspect, peers->message);
    let_go(peers);
}

// Under the lock. `neighbour` SIZE_MAX: it is nobody else's fault.
__attribute__((format(printf, 3, 4))) static void fail(struct peers *peers, size_t neighbour,
                                                       const char *format, ...)
{
    if (peers->state != PEERS_RUNNING)
        return;
    va_list arguments;
    peers->state = PEERS_FAILED;
    if (neighbour != SIZE_MAX)
        snprintf(peers->suspect, sizeof peers->suspect, "%s", peers->neighbours[neighbour].learner);
    va_start(arguments, format);
    vsnprintf(peers->message, sizeof peers->message, format, arguments);
    va_end(arguments);
    hold(peers);
    pool_post(peers->options.pool, &peers->fail_job);
}

// Gives up the owner's hold once; without the lock.
static void finish(struct peers *peers)
{
    peers_door_remove(peers->options.door, peers);
    let_go(peers);
}

// Under the lock: whether a stream that is over was the last.
static bool is_complete(struct peers *peers)
{
    if (peers->state != PEERS_RUNNING || peers->n_over < peers->n_out + peers->n_in ||
        peers->done < peers->n_positions)
        return false;
    peers->state = PEERS_ENDING;
    peers->ok = true;
    return true;
}

// ---- sending --------------------------------------------------------------------------------------------

// Where the chunk lies, or all of it: what is told of stays as it is for long enough in a ring
// (peers_ring.c).
static enum status send_chunk(struct peers_push *push, const float *values, size_t bytes)
{
    struct peers *peers = push->peers;
    if (push->in_place) {
        cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
        request.has_place = true;
        request.place = cross_place(push->offset, values, bytes);
        return rpc_call_send(push->call, cohort_v1_ExchangeSummaryRequest_fields, &request, NULL);
    }
    hold(peers);
    return rpc_call_send_chunk(push->call, push->offset, values, bytes, let_go, peers, NULL);
}

static void push_on(struct peers_push *push)
{
    struct peers *peers = push->peers;
    if (peers->state != PEERS_RUNNING || push->ended || push->asks)
        return;
    push->idle = push->position >= peers->n_chunks && push->position - peers->n_chunks >= peers->done;
    if (push->idle)
        return;
    const float *values = peers->order->out(peers, push->position);
    if (!values) {
        fail(peers, SIZE_MAX,
             "learner '%s' trained values that are not finite, or too large to sum up; train with a smaller "
             "learning rate or clip_norm",
             peers->options.learner);
        return;
    }
    size_t bytes = peers->order->sent(peers, push->position) * sizeof(float);
    push->ended = send_chunk(push, values, bytes) != STATUS_OK; // `closed` follows
    push->offset += bytes;
    peers->bytes += bytes;
    peers->moved_ms = clock_monotonic_ms();
    if (++push->position == peers->n_positions && !push->ended) {
        push->ended = true;
        rpc_call_end(push->call);
    }
}

static void push_writable(struct rpc_call *call, void *user)
{
    struct peers_push *push = user;
    pthread_mutex_lock(&push->peers->lock);
    push_on(push);
    pthread_mutex_unlock(&push->peers->lock);
}

static void push_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct peers_push *push = user;
    cohort_v1_ExchangeSummaryResponse response = cohort_v1_ExchangeSummaryResponse_init_zero;
    enum status status =
        rpc_message_decode(message, cohort_v1_ExchangeSummaryResponse_fields, &response, NULL);
    pthread_mutex_lock(&push->peers->lock);
    if (push->asks) {
        push->asks = false;
        push->in_place = status == STATUS_OK && response.reads;
        push_on(push);
    }
    pthread_mutex_unlock(&push->peers->lock);
    rpc_call_receive(call);
}

static void push_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct peers_push *push = user;
    struct peers *peers = push->peers;
    pthread_mutex_lock(&peers->lock);
    push->over = true;
    peers->n_over++;
    if (status != STATUS_OK || push->position < peers->n_positions)
        fail(peers, push->neighbour, "sending to learner '%s' failed: %.250s",
             peers->neighbours[push->neighbour].learner,
             *message ? message : "it ended the stream before it had everything");
    bool complete = is_complete(peers);
    pthread_mutex_unlock(&peers->lock);
    if (complete)
        finish(peers);
    let_go(peers);
}

static const struct rpc_events push_events = {.message = push_message,
                                              .writable = push_writable,
                                              .closed = push_closed};

static void fill_request(const struct peers *peers, size_t neighbour, cohort_v1_ExchangeSummaryRequest *ret)
{
    const struct peers_options *options = &peers->options;
    cohort_v1_SummaryHeader *header = &ret->header;
    ret->has_header = true;
    snprintf(ret->peer, sizeof ret->peer, "%s", peers->neighbours[neighbour].learner);
    snprintf(header->experiment_id, sizeof header->experiment_id, "%s", options->experiment_id);
    snprintf(header->learner, sizeof header->learner, "%s", options->learner);
    snprintf(header->codec, sizeof header->codec, "f32");
    header->incarnation = options->incarnation;
    header->round = options->round;
    header->attempt = options->attempt;
    header->n_values = options->n_values;
    header->bytes = peers->bytes_out;
    ret->has_memory = options->cross_door && options->pattern == PEERS_RING;
    if (ret->has_memory)
        cross_token_tell(cross_door_token(options->cross_door), &ret->memory);
}

static enum status push_start(struct peers_push *push, struct error *error)
{
    struct peers *peers = push->peers;
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    fill_request(peers, push->neighbour, &request);
    push->asks = request.has_memory;
    TRY(rpc_call_start(&push->call, peers->neighbours[push->neighbour].channel, PEERS_PATH, 0, false,
                       &push_events, push, error));
    hold(peers);
    rpc_call_receive(push->call);
    if (rpc_call_send(push->call, cohort_v1_ExchangeSummaryRequest_fields, &request, error) != STATUS_OK)
        rpc_call_cancel(push->call);
    return STATUS_OK;
}

// ---- receiving ------------------------------------------------------------------------------------------

static void receive_on(struct peers_pull *pull)
{
    struct peers *peers = pull->peers;
    bool mixes = peers->options.pattern == PEERS_MIX;
    pull->paused =
        mixes && pull->position < peers->n_positions && pull->position >= peers->done + PEERS_WINDOW;
    if (!pull->paused)
        rpc_call_receive(pull->call);
}

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct peers_pull *pull = user;
    struct peers *peers = pull->peers;
    size_t n = bytes / sizeof(float);
    if (pull->position == peers->n_positions || offset != pull->received || bytes % sizeof(float) ||
        n > peers->order->chunk(peers, pull->position) - pull->in_chunk)
        pull->fault = "chunks came out of order, or cut otherwise than agreed";
    else
        pull->fault = peers->order->in(peers, pull, pull->in_chunk, run, n);
    pull->in_chunk += n;
    pull->received += bytes;
    return !pull->fault;
}

// What lies in the sender's memory.
static enum status take_place(struct peers_pull *pull, const cohort_v1_Place *place, struct error *error)
{
    if (!pull->memory || place->bytes > CROSS_PLACE_BYTES)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "a place of %llu bytes, where at most %d may be told of, by who was met",
                         (unsigned long long)place->bytes, CROSS_PLACE_BYTES);
    return cross_memory_pass(pull->memory, place->address, place->bytes, place->offset, take, pull, error);
}

// Under the lock: one chunk, whole.
static void take_chunk(struct peers_pull *pull, struct rpc_message *message)
{
    struct peers *peers = pull->peers;
    struct error error = ERROR_INIT;
    struct rpc_chunk chunk = {0};
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    const char *name = peers->neighbours[pull->neighbour].learner, *fault;
    enum status status = rpc_message_decode_chunk(message, cohort_v1_ExchangeSummaryRequest_fields, &request,
                                                  &chunk, take, pull, &error);
    bool in_place = request.has_place && !chunk.present;
    if (status == STATUS_OK && in_place)
        status = take_place(pull, &request.place, &error);
    if (status == STATUS_OK && (pull->position == peers->n_positions || !(chunk.present || in_place) ||
                                pull->in_chunk != peers->order->chunk(peers, pull->position)))
        pull->fault = "a message holds no whole chunk";
    if (status != STATUS_OK || pull->fault) {
        fail(peers, pull->neighbour, "what learner '%s' sends is refused: %.250s", name,
             pull->fault ? pull->fault : error.message);
        return;
    }
    fault = peers->order->completed(peers, pull);
    if (fault)
        fail(peers, SIZE_MAX, "learner '%s': %s", peers->options.learner, fault);
    pull->position++;
    pull->in_chunk = 0;
    peers->moved_ms = clock_monotonic_ms();
}

// Under the lock: what waited for the present chunk goes on.
static void wake(struct peers *peers)
{
    for (size_t i = 0; i < peers->n_out; i++)
        if (peers->pushes[i].idle)
            push_on(&peers->pushes[i]);
    for (size_t i = 0; i < peers->n_in; i++)
        if (peers->pulls[i] && peers->pulls[i]->paused)
            receive_on(peers->pulls[i]);
}

void peers_pull_message(struct peers_pull *pull, struct rpc_message *message)
{
    struct peers *peers = pull->peers;
    pthread_mutex_lock(&peers->lock);
    if (peers->state == PEERS_RUNNING) {
        take_chunk(pull, message);
        receive_on(pull);
        wake(peers);
    }
    pthread_mutex_unlock(&peers->lock);
}

void peers_pull_ended(struct peers_pull *pull)
{
    struct peers *peers = pull->peers;
    pthread_mutex_lock(&peers->lock);
    bool whole = pull->position == peers->n_positions;
    if (!whole)
        fail(peers, pull->neighbour, "learner '%s' ended its stream too early",
             peers->neighbours[pull->neighbour].learner);
    pthread_mutex_unlock(&peers->lock);
    if (whole)
        rpc_call_finish(pull->call, STATUS_OK, "");
}

void peers_pull_closed(struct peers_pull *pull, enum status status)
{
    struct peers *peers = pull->peers;
    pthread_mutex_lock(&peers->lock);
    peers->n_over++;
    if (pull->position < peers->n_positions)
        fail(peers, pull->neighbour, "the stream of learner '%s' broke",
             peers->neighbours[pull->neighbour].learner);
    peers->pulls[pull->neighbour] = NULL;
    peers->distance += pull->distance;
    peers->square += pull->square;
    bool complete = is_complete(peers);
    pthread_mutex_unlock(&peers->lock);
    if (complete)
        finish(peers);
    let_go(peers);
}

static bool find_neighbour(const struct peers *peers, const cohort_v1_SummaryHeader *header, size_t *ret)
{
    for (size_t i = 0; i < peers->n_in; i++) {
        const struct peers_neighbour *neighbour = &peers->neighbours[i];
        if (strcmp(neighbour->learner, header->learner) == 0 &&
            neighbour->incarnation == header->incarnation) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static enum status check_pull(struct peers *peers, struct peers_pull *pull, struct error *error)
{
    const cohort_v1_SummaryHeader *header = &pull->header;
    if (peers->state != PEERS_RUNNING)
        return error_set(error, STATUS_ABORTED, "the exchange of round %u was given up", header->round);
    if (!find_neighbour(peers, header, &pull->neighbour) || peers->came[pull->neighbour])
        return error_set(error, STATUS_PERMISSION_DENIED,
                         "learner '%s' is not one that learner '%s' awaits a stream of in round %u",
                         header->learner, peers->options.learner, header->round);
    if (header->n_values != peers->options.n_values || header->bytes != peers->bytes_in ||
        strcmp(header->codec, "f32") != 0) {
        error_set(error, STATUS_INVALID_ARGUMENT,
                  "a summary of %llu values in %llu bytes, codec '%s'; %zu values in %llu bytes were due, "
                  "codec 'f32'",
                  (unsigned long long)header->n_values, (unsigned long long)header->bytes, header->codec,
                  peers->options.n_values, (unsigned long long)peers->bytes_in);
        fail(peers, pull->neighbour, "what learner '%s' sends is refused: %.250s", header->learner,
             error->message);
        return STATUS_INVALID_ARGUMENT;
    }
    return STATUS_OK;
}

enum status peers_admit(struct peers *peers, struct peers_pull *pull, struct error *error)
{
    pthread_mutex_lock(&peers->lock);
    enum status status = check_pull(peers, pull, error);
    if (status == STATUS_OK) {
        hold(peers);
        peers->came[pull->neighbour] = true;
        peers->pulls[pull->neighbour] = pull;
        pull->peers = peers;
        peers->moved_ms = clock_monotonic_ms();
        receive_on(pull);
    }
    pthread_mutex_unlock(&peers->lock);
    return status;
}

// ---- life -----------------------------------------------------------------------------------------------

static void plan(struct peers *peers)
{
    const struct peers_options *options = &peers->options;
    bool ring = options->pattern == PEERS_RING;
    size_t n = options->n_learners ? options->n_learners : 1;
    peers->order = ring ? &peers_ring : &peers_mix;
    // In a ring a chunk waits for nobody's sums: long ones mean fewer turns of the threads that pass them on.
    size_t most = (ring ? 4 : 1) * (size_t)RPC_CHUNK_BYTES / sizeof(float);
    peers->n_chunks = peers_n_chunks(ring ? (options->n_values + n - 1) / n : options->n_values, most);
    peers->n_positions = ring ? 2 * (n - 1) * peers->n_chunks : options->steps * peers->n_chunks;
    peers->n_in = ring ? options->n_neighbours / 2 : options->n_neighbours;
    peers->n_out = peers->n_in;
}

static enum status build(struct peers *peers, struct error *error)
{
    const struct peers_options *options = &peers->options;
    size_t n = options->n_neighbours;
    plan(peers);
    peers->neighbours = memory_array(n + 1, sizeof *peers->neighbours);
    peers->pushes = memory_array(peers->n_out + 1, sizeof *peers->pushes);
    peers->pulls = memory_array(peers->n_in + 1, sizeof(struct peers_pull *));
    peers->came = memory_array(peers->n_in + 1, sizeof(bool));
    if (options->pattern == PEERS_MIX)
        peers->sums = memory_array(PEERS_WINDOW * PEERS_ROOM(peers), sizeof *peers->sums);
    if (!peers->neighbours || !peers->pushes || !peers->pulls || !peers->came ||
        (options->pattern == PEERS_MIX && !peers->sums))
        return error_no_memory(error, PEERS_WINDOW * PEERS_ROOM(peers) * sizeof *peers->sums);
    memcpy(peers->neighbours, options->neighbours, n * sizeof *peers->neighbours);
    for (size_t i = 0; i < peers->n_out; i++) // of a ring the second one is on the right
        peers->pushes[i] =
            (struct peers_push){.peers = peers, .neighbour = options->pattern == PEERS_RING ? i + 1 : i};
    return STATUS_OK;
}

enum status peers_new(struct peers **ret, const struct peers_options *options, struct error *error)
{
    struct peers *peers = memory_zalloc(sizeof *peers);
    if (!peers)
        return error_no_memory(error, sizeof *peers);
    peers->options = *options;
    pthread_mutex_init(&peers->lock, NULL);
    atomic_init(&peers->n_holds, 1);
    peers->fail_job.run = run_fail;
    peers->end_job.run = run_end;
    enum status status = build(peers, error);
    for (size_t position = 0; status == STATUS_OK && position < peers->n_positions; position++) {
        peers->bytes_in += peers->order->chunk(peers, position) * sizeof(float);
        peers->bytes_out += peers->order->sent(peers, position) * sizeof(float);
    }
    if (status != STATUS_OK)
        peers_free(peers);
    else
        *ret = peers;
    return status;
}

struct peers *peers_free(struct peers *peers)
{
    if (!peers)
        return NULL;
    for (size_t i = 0; peers->pushes && i < peers->n_out; i++)
        if (peers->pushes[i].call)
            rpc_call_unref(peers->pushes[i].call);
    memory_free(peers->neighbours);
    memory_free(peers->pushes);
    memory_free(peers->pulls);
    memory_free(peers->came);
    memory_free(peers->sums);
    pthread_mutex_destroy(&peers->lock);
    return memory_free(peers);
}

// Of a learner without neighbours: the sum is its own summary.
static void sum_alone(struct peers *peers)
{
    const char *fault = NULL;
    if (peers->options.pattern == PEERS_RING)
        memcpy(peers->options.result, peers->options.values, peers->options.n_values * sizeof(float));
    else
        fault = peers->order->completed(peers, NULL);
    if (fault)
        fail(peers, SIZE_MAX, "learner '%s': %s", peers->options.learner, fault);
}

void peers_start(struct peers *peers)
{
    struct error error = ERROR_INIT;
    hold(peers); // until this returns
    if (peers->n_in)
        peers_door_add(peers->options.door, peers);
    pthread_mutex_lock(&peers->lock);
    peers->moved_ms = clock_monotonic_ms();
    if (peers->n_in == 0)
        sum_alone(peers);
    for (size_t i = 0; i < peers->n_out; i++) {
        struct peers_push *push = &peers->pushes[i];
        if (push_start(push, &error) != STATUS_OK)
            fail(peers, push->neighbour, "cannot reach learner '%s': %.250s",
                 peers->neighbours[push->neighbour].learner, error.message);
    }
    bool complete = peers->n_in == 0 && is_complete(peers);
    pthread_mutex_unlock(&peers->lock);
    if (complete)
        let_go(peers);
    let_go(peers);
}

void peers_cancel(struct peers *peers)
{
    peers_door_remove(peers->options.door, peers); // nobody comes in any more
    pthread_mutex_lock(&peers->lock);
    bool first = peers->state != PEERS_ENDING;
    peers->state = PEERS_ENDING;
    for (size_t i = 0; first && i < peers->n_out; i++)
        if (peers->pushes[i].call && !peers->pushes[i].over)
            rpc_call_cancel(peers->pushes[i].call);
    for (size_t i = 0; first && i < peers->n_in; i++)
        if (peers->pulls[i])
            rpc_call_cancel(peers->pulls[i]->call);
    pthread_mutex_unlock(&peers->lock);
    if (first)
        let_go(peers);
}

// Who has sent least, or, when all have sent everything, who has not taken everything.
static size_t hinders(const struct peers *peers)
{
    size_t slowest = 0;
    for (size_t i = 0; i < peers->n_out; i++)
        if (!peers->pushes[i].over)
            slowest = peers->pushes[i].neighbour;
    size_t least = peers->n_positions;
    for (size_t i = 0; i < peers->n_in; i++) {
        size_t position = peers->pulls[i] ? peers->pulls[i]->position : peers->came[i] ? least : 0;
        if (position < least) {
            least = position;
            slowest = i;
        }
    }
    return slowest;
}

void peers_check(struct peers *peers, int64_t now_ms, int64_t patience_ms)
{
    pthread_mutex_lock(&peers->lock);
    if (peers->n_in && now_ms - peers->moved_ms > patience_ms) {
        size_t slowest = hinders(peers);
        fail(peers, slowest, "nothing has moved between this learner and learner '%s' for %lld s",
             peers->neighbours[slowest].learner, (long long)(now_ms - peers->moved_ms) / 1000);
    }
    pthread_mutex_unlock(&peers->lock);
}

uint64_t peers_bytes(const struct peers *peers)
{
    return peers->bytes;
}

double peers_distance(const struct peers *peers)
{
    return peers->square > 0 ? (double)(float)sqrt(peers->distance / peers->square) : 0;
}
