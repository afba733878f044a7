// Gossip: X <- W X, `steps` times. Every stream carries the learner's whole vector once a step; a chunk of
// the next step is sent as soon as all neighbours' chunks of this one are in. They are summed as fixed-point
// integers (reduce/ring.h), so the result does not depend on who came first.
//
// Step s reads what step s - 1 wrote and writes the other of two buffers. A neighbour's chunk of step s can
// only come once it had this learner's of step s - 1, so what is overwritten has been sent.
//
// Every value that is sent must be below 32768 in size by itself, not weighted: a mean of such values is so
// too, and no neighbour can make a learner come to one that it cannot go on with, or is blamed for.
#include "base/kernel.h"
#include "learner/peers_impl.h"
#include "reduce/ring.h"
#include <math.h>
#include <string.h>

enum { TILE = 1024 };

static const char too_large[] =
    "a value is not finite, or not below 32768 in size; train with a smaller learning rate or clip_norm";

static size_t locate(const struct peers *peers, size_t position, size_t *ret_first)
{
    return peers_cut(peers->options.n_values, peers->n_chunks, position % peers->n_chunks, ret_first);
}

static size_t chunk(const struct peers *peers, size_t position)
{
    size_t first;
    return locate(peers, position, &first);
}

// What step `step` writes; the last one writes the result.
static float *written(const struct peers *peers, size_t step)
{
    return (peers->options.steps - 1 - step) % 2 ? peers->options.spare : peers->options.result;
}

static const float *read_by(const struct peers *peers, size_t step)
{
    return step ? written(peers, step - 1) : peers->options.values;
}

// Non-zero when one of them is out of range, or is no number.
KERNEL
static uint32_t out_of_range(const float *values, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= !(fabsf(values[i]) < (float)(1 << RING_TERM_BITS));
    return bad;
}

static const float *out(struct peers *peers, size_t position)
{
    size_t first, n = locate(peers, position, &first);
    const float *values = read_by(peers, position / peers->n_chunks) + first;
    return position < peers->n_chunks && out_of_range(values, n) ? NULL : values;
}

static int64_t *sums_at(struct peers *peers, size_t position)
{
    return peers->sums + position % PEERS_WINDOW * PEERS_ROOM(peers);
}

static const char *in(struct peers *peers, struct peers_pull *pull, size_t first, const uint8_t *run,
                      size_t n)
{
    float tile[TILE]; // received slices start anywhere
    size_t at;
    double share = peers->neighbours[pull->neighbour].share;
    int64_t *sums = sums_at(peers, pull->position) + first;
    locate(peers, pull->position, &at);
    const float *own = peers->options.values + at + first;
    for (size_t i = 0; i < n; i += TILE) {
        size_t some = n - i < TILE ? n - i : TILE;
        memcpy(tile, run + i * sizeof(float), some * sizeof(float));
        if (out_of_range(tile, some) || !ring_fold(sums + i, tile, some, share))
            return too_large;
        if (pull->position < peers->n_chunks)
            pull->distance += peers_square_distance(tile, own + i, some, &pull->square);
    }
    return NULL;
}

static const char *finish(struct peers *peers, size_t position)
{
    size_t first, n = locate(peers, position, &first), step = position / peers->n_chunks;
    int64_t *sums = sums_at(peers, position);
    if (!ring_fold(sums, read_by(peers, step) + first, n, peers->options.share))
        return too_large;
    ring_mean(written(peers, step) + first, sums, n, 1);
    memset(sums, 0, n * sizeof *sums);
    peers->n_summed[position % PEERS_WINDOW] = 0;
    return NULL;
}

static const char *completed(struct peers *peers, struct peers_pull *pull)
{
    if (pull)
        peers->n_summed[pull->position % PEERS_WINDOW]++;
    while (peers->done < peers->n_positions && peers->n_summed[peers->done % PEERS_WINDOW] == peers->n_in) {
        const char *fault = finish(peers, peers->done);
        if (fault)
            return fault;
        peers->done++;
    }
    return NULL;
}

const struct peers_order peers_mix = {.chunk = chunk,
                                      .sent = chunk,
                                      .out = out,
                                      .in = in,
                                      .completed = completed};
