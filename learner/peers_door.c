// Where neighbours' streams come in: each goes to the exchange that it is meant for, or waits for it to
// begin.
#include "base/clock.h"
#include "base/memory.h"
#include "learner/peers_impl.h"
#include "rpc/security.h"
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

enum { WAITING_MAX = 256, MET_MAX = 8 };

// A neighbour's process, whose memory is read.
struct met {
    struct cross_token token;
    struct cross_memory *memory; // NULL: nobody
};

struct peers_door {
    pthread_mutex_t lock; // guards the rest; taken before an exchange's
    struct peers *exchanges;
    struct peers_pull *waiting;
    size_t n_waiting;
    bool reads;
    struct met met[MET_MAX]; // the latest first
};

enum status peers_door_new(struct peers_door **ret, bool reads, struct error *error)
{
    struct peers_door *door = memory_zalloc(sizeof *door);
    if (!door)
        return error_no_memory(error, sizeof *door);
    door->reads = reads;
    pthread_mutex_init(&door->lock, NULL);
    *ret = door;
    return STATUS_OK;
}

struct peers_door *peers_door_free(struct peers_door *door)
{
    for (size_t i = 0; door && i < MET_MAX; i++)
        cross_memory_unref(door->met[i].memory);
    if (door)
        pthread_mutex_destroy(&door->lock);
    return memory_free(door);
}

// ---- under the lock -------------------------------------------------------------------------------------

static bool same_learner(const struct peers *peers, const struct peers_pull *pull)
{
    return strcmp(peers->options.learner, pull->to) == 0 &&
           strcmp(peers->options.experiment_id, pull->header.experiment_id) == 0;
}

// Whether the stream belongs to an exchange after (1), in (0) or before (-1) this one.
static int compare(const struct peers_pull *pull, const struct peers *peers)
{
    const cohort_v1_SummaryHeader *header = &pull->header;
    if (header->round != peers->options.round)
        return header->round > peers->options.round ? 1 : -1;
    return header->attempt > peers->options.attempt ? 1 : header->attempt == peers->options.attempt ? 0 : -1;
}

static void refuse(struct peers_pull *pull, const struct error *error)
{
    rpc_call_finish(pull->call, error->status, error->message);
}

static void let_wait(struct peers_door *door, struct peers_pull *pull)
{
    struct error error = ERROR_INIT;
    if (door->n_waiting == WAITING_MAX) {
        error_set(&error, STATUS_RESOURCE_EXHAUSTED,
                  "%d streams wait here for an exchange already; send again later", WAITING_MAX);
        refuse(pull, &error);
        return;
    }
    pull->waiting = true;
    pull->next = door->waiting;
    door->waiting = pull;
    door->n_waiting++;
}

static void sort_out(struct peers_door *door, struct peers_pull *pull)
{
    struct error error = ERROR_INIT;
    struct peers *peers = door->exchanges;
    while (peers && !same_learner(peers, pull))
        peers = peers->next;
    int order = peers ? compare(pull, peers) : 1;
    if (order > 0) {
        let_wait(door, pull);
        return;
    }
    if (order < 0)
        error_set(&error, STATUS_FAILED_PRECONDITION,
                  "learner '%s' has gone on to round %u, attempt %u; wait for the next exchange", pull->to,
                  peers->options.round, peers->options.attempt);
    else if (peers_admit(peers, pull, &error) == STATUS_OK)
        return;
    refuse(pull, &error);
}

static void forget(struct peers_door *door, struct peers_pull *pull)
{
    struct peers_pull **link = &door->waiting;
    while (*link && *link != pull)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = pull->next;
    pull->waiting = false;
    door->n_waiting--;
}

void peers_door_add(struct peers_door *door, struct peers *peers)
{
    pthread_mutex_lock(&door->lock);
    peers->next = door->exchanges;
    door->exchanges = peers;
    for (struct peers_pull *pull = door->waiting, *next; pull; pull = next) {
        next = pull->next;
        if (!same_learner(peers, pull) || compare(pull, peers) > 0)
            continue;
        forget(door, pull);
        sort_out(door, pull);
    }
    pthread_mutex_unlock(&door->lock);
}

void peers_door_remove(struct peers_door *door, struct peers *peers)
{
    pthread_mutex_lock(&door->lock);
    struct peers **link = &door->exchanges;
    while (*link && *link != peers)
        link = &(*link)->next;
    if (*link)
        *link = peers->next;
    pthread_mutex_unlock(&door->lock);
}

void peers_door_check(struct peers_door *door, int64_t now_ms, int64_t patience_ms)
{
    struct error error = ERROR_INIT;
    error_set(&error, STATUS_UNAVAILABLE, "no exchange with this learner has begun; try again later");
    pthread_mutex_lock(&door->lock);
    for (struct peers_pull *pull = door->waiting, *next; pull; pull = next) {
        next = pull->next;
        if (now_ms - pull->since_ms <= patience_ms)
            continue;
        forget(door, pull);
        refuse(pull, &error);
    }
    pthread_mutex_unlock(&door->lock);
}

// ---- the call -------------------------------------------------------------------------------------------

// The process that a neighbour says it is in, met at its own door, once for all streams; a reference. NULL:
// its memory cannot be read.
static struct cross_memory *meet(struct peers_door *door, const cohort_v1_CrossMemory *said)
{
    struct met met = {0};
    size_t i = 0;
    if (!door->reads)
        return NULL;
    while (i < MET_MAX - 1 && memcmp(&door->met[i].token, said->token, sizeof met.token) != 0)
        i++;
    if (memcmp(&door->met[i].token, said->token, sizeof met.token) == 0) {
        met = door->met[i];
    } else {
        memcpy(&met.token, said->token, sizeof met.token);
        met.memory = cross_memory_knock(&met.token, said->address);
        if (!met.memory)
            return NULL;
        cross_memory_unref(door->met[i].memory);
    }
    memmove(door->met + 1, door->met, i * sizeof met);
    door->met[0] = met;
    return cross_memory_ref(met.memory);
}

static void take_header(struct peers_pull *pull, struct rpc_message *message)
{
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    struct error error = ERROR_INIT;
    enum status status =
        rpc_message_decode(message, cohort_v1_ExchangeSummaryRequest_fields, &request, &error);
    if (status == STATUS_OK && (!request.has_header || pull->has_header))
        error_set(&error, STATUS_INVALID_ARGUMENT, "the first message must be the summary's header, once");
    else if (status == STATUS_OK)
        rpc_call_speaks_for(pull->call, request.header.learner, &error);
    if (error.status != STATUS_OK) {
        refuse(pull, &error);
        return;
    }
    pull->has_header = true;
    pull->header = request.header;
    snprintf(pull->to, sizeof pull->to, "%s", request.peer);
    pthread_mutex_lock(&pull->door->lock);
    if (request.has_memory) {
        cohort_v1_ExchangeSummaryResponse response = cohort_v1_ExchangeSummaryResponse_init_zero;
        pull->memory = meet(pull->door, &request.memory);
        response.reads = pull->memory != NULL;
        rpc_call_send(pull->call, cohort_v1_ExchangeSummaryResponse_fields, &response, NULL);
    }
    sort_out(pull->door, pull);
    pthread_mutex_unlock(&pull->door->lock);
}

static void message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct peers_pull *pull = user;
    if (pull->peers)
        peers_pull_message(pull, message);
    else
        take_header(pull, message);
}

static void ended(struct rpc_call *call, void *user)
{
    struct peers_pull *pull = user;
    if (pull->peers)
        peers_pull_ended(pull);
    else
        rpc_call_finish(call, STATUS_INVALID_ARGUMENT, "the stream ended without a summary");
}

static void closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct peers_pull *pull = user;
    pthread_mutex_lock(&pull->door->lock);
    forget(pull->door, pull);
    pthread_mutex_unlock(&pull->door->lock);
    if (pull->peers)
        peers_pull_closed(pull, status);
    cross_memory_unref(pull->memory);
    memory_free(pull);
}

void peers_door_open_call(struct peers_door *door, struct rpc_call *call)
{
    static const struct rpc_events events = {.message = message, .ended = ended, .closed = closed};
    struct peers_pull *pull = memory_zalloc(sizeof *pull);
    if (!pull) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    pull->door = door;
    pull->call = call;
    pull->since_ms = clock_monotonic_ms();
    rpc_call_set_events(call, &events, pull);
    rpc_call_receive(call);
}
