#include "coordinator/cross_peers.h"
#include "base/digest.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

// Of more learners than that on one machine, the others' messages go over their connections.
enum { LINES_MAX = 64, LINE_THREADS = 2 };

struct cross_peer {
    struct cross_peer *next;
    struct cross_token token;
    struct cross_memory *memory;
    size_t n;                                           // learners
    char experiment_id[64], model_id[DIGEST_HEX_BYTES]; // of the model that it was given last
    uint32_t round;
};

static bool is_open(const struct cross_peers *all)
{
    static const struct cross_token none;
    return memcmp(&all->own, &none, sizeof none) != 0;
}

enum status cross_peers_open(struct cross_peers *all, struct error *error)
{
    return cross_token_draw(&all->own, error);
}

static struct cross_peer *find(const struct cross_peers *all, const uint8_t *token)
{
    struct cross_peer *peer = all->first;
    while (peer && memcmp(&peer->token, token, sizeof peer->token) != 0)
        peer = peer->next;
    return peer;
}

struct cross_peer *cross_peer_join(struct cross_peers *all, const cohort_v1_CrossMemory *said)
{
    struct cross_peer *peer = is_open(all) ? find(all, said->token) : NULL;
    if (peer) {
        peer->n++;
        return peer;
    }
    peer = is_open(all) ? memory_zalloc(sizeof *peer) : NULL;
    if (!peer)
        return NULL;
    memcpy(&peer->token, said->token, sizeof peer->token);
    peer->memory = cross_memory_knock(&peer->token, said->address);
    if (!peer->memory)
        return memory_free(peer);
    peer->n = 1;
    peer->next = all->first;
    all->first = peer;
    return peer;
}

struct cross_peer *cross_peer_leave(struct cross_peers *all, struct cross_peer *peer)
{
    if (!peer || --peer->n)
        return NULL;
    struct cross_peer **link = &all->first;
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    cross_memory_unref(peer->memory);
    return memory_free(peer);
}

struct cross_memory *cross_peer_memory(const struct cross_peer *peer)
{
    return peer ? cross_memory_ref(peer->memory) : NULL;
}

struct cross_line *cross_peer_line(struct cross_peers *all, const struct cross_peer *peer,
                                   void (*message)(void *user, const uint8_t *bytes, size_t n), void *user,
                                   struct cross_token *ret_token)
{
    struct cross_line *line = NULL;
    if (all->n_lines >= LINES_MAX || cross_token_draw(ret_token, NULL) != STATUS_OK ||
        (!all->lines && cross_lines_new(&all->lines, LINE_THREADS, NULL) != STATUS_OK))
        return NULL;
    int fd = cross_memory_line(peer->memory, &peer->token, ret_token);
    if (fd < 0 || cross_line_new(&line, all->lines, fd, message, user, NULL) != STATUS_OK)
        return NULL;
    all->n_lines++;
    return line;
}

void cross_peers_release(struct cross_peers *all)
{
    all->lines = cross_lines_free(all->lines);
}

void cross_peers_tell(const struct cross_peers *all, cohort_v1_CrossMemory *ret)
{
    cross_token_tell(&all->own, ret);
}

bool cross_peer_give(struct cross_peer *peer, const char *experiment_id, uint32_t round, const char *model_id)
{
    if (peer->round == round && strcmp(peer->experiment_id, experiment_id) == 0 &&
        strcmp(peer->model_id, model_id) == 0)
        return false;
    peer->round = round;
    snprintf(peer->experiment_id, sizeof peer->experiment_id, "%s", experiment_id);
    snprintf(peer->model_id, sizeof peer->model_id, "%s", model_id);
    return true;
}

struct cross_peer *cross_peers_find(const struct cross_peers *all, const uint8_t *token, size_t n)
{
    return n == CROSS_TOKEN_BYTES ? find(all, token) : NULL;
}

enum status cross_place_take(struct cross_memory *memory, const cohort_v1_Place *place,
                             bool (*take)(void *user, uint64_t offset, const uint8_t *bytes, size_t n),
                             void *user, struct error *error)
{
    if (!memory)
        return error_set(
            error, STATUS_FAILED_PRECONDITION,
            "a place in the memory of a process that this coordinator has not met; send the bytes");
    if (place->bytes > CROSS_PLACE_BYTES)
        return error_set(error, STATUS_INVALID_ARGUMENT, "a place has %llu bytes; tell of at most %d at once",
                         (unsigned long long)place->bytes, CROSS_PLACE_BYTES);
    return cross_memory_pass(memory, place->address, place->bytes, place->offset, take, user, error);
}
