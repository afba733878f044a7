// Ring all-reduce (Patarasuk and Yuan 2009, section 4) in a pipeline. The vector falls into a segment a
// learner. Learner r sends its right neighbour, at steps 0, 1, ..., segments -r, 1 - r, ... (modulo n): the
// first is its own, weighted; each next one is what came from the left at the step before. At steps before n
// - 1 its own weighted values are added to what comes (reduce-scatter); from then on it is final
// (all-gather).
//
// A partial sum lies in the result, where it is also sent from. The final values that overwrite it come only
// after the right neighbour has had all of it, so no chunk changes while it is on its way.
#include "base/kernel.h"
#include "learner/peers_impl.h"
#include <string.h>

typedef float loose_float __attribute__((aligned(1)));

static size_t modulo(size_t a, size_t b, size_t n) // a - b
{
    return (a % n + n - b % n) % n;
}

// The segment that learner `place` sends at `step`; its left neighbour's is what it receives. They are
// numbered from the vector's end, so that what becomes final does so in the vector's order: the last learner
// can hash its model meanwhile.
static size_t segment_sent(size_t place, size_t step, size_t n)
{
    return modulo(step, place, n);
}

static size_t locate(const struct peers *peers, size_t place, size_t position, size_t *ret_first)
{
    size_t n = peers->options.n_learners, n_values = peers->options.n_values, first_of_segment, first;
    size_t segment = segment_sent(place, position / peers->n_chunks, n);
    size_t in_segment = peers_cut(n_values, n, segment, &first_of_segment);
    size_t n_chunk = peers_cut(in_segment, peers->n_chunks, position % peers->n_chunks, &first);
    *ret_first = first_of_segment + first;
    return n_chunk;
}

static size_t left_of(const struct peers *peers)
{
    return modulo(peers->options.place, 1, peers->options.n_learners);
}

static size_t chunk(const struct peers *peers, size_t position)
{
    size_t first;
    return locate(peers, left_of(peers), position, &first);
}

static size_t sent(const struct peers *peers, size_t position)
{
    size_t first;
    return locate(peers, peers->options.place, position, &first);
}

// ret[i] = (in[i] +) own[i] * share; non-zero when a result is not finite.
KERNEL
static uint32_t weigh(float *restrict ret, const float *restrict own, size_t n, float share)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        float sum = own[i] * share;
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
        ret[i] = sum;
    }
    return bad;
}

KERNEL
static uint32_t add_weighed(float *restrict ret, const loose_float *restrict in, const float *restrict own,
                            size_t n, float share)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        float sum = in[i] + own[i] * share;
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
        ret[i] = sum;
    }
    return bad;
}

KERNEL
static uint32_t store(float *restrict ret, const loose_float *restrict in, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        float value = in[i];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
        ret[i] = value;
    }
    return bad;
}

static const float *out(struct peers *peers, size_t position)
{
    const struct peers_options *options = &peers->options;
    size_t first, n = locate(peers, options->place, position, &first);
    if (position < peers->n_chunks &&
        weigh(options->result + first, options->values + first, n, (float)options->share))
        return NULL;
    return options->result + first;
}

static const char *in(struct peers *peers, struct peers_pull *pull, size_t first, const uint8_t *run,
                      size_t n)
{
    const struct peers_options *options = &peers->options;
    const loose_float *values = (const loose_float *)(const void *)run;
    size_t at;
    locate(peers, left_of(peers), pull->position, &at);
    at += first;
    bool is_final = pull->position / peers->n_chunks >= (size_t)options->n_learners - 1;
    uint32_t bad =
        is_final ? store(options->result + at, values, n)
                 : add_weighed(options->result + at, values, options->values + at, n, (float)options->share);
    return bad ? "a sum came that is not finite; train with a smaller learning rate or clip_norm" : NULL;
}

static const char *completed(struct peers *peers, struct peers_pull *pull)
{
    const struct peers_options *options = &peers->options;
    peers->done = pull->position + 1;
    if (pull->position / peers->n_chunks + 2 < options->n_learners)
        return NULL;
    size_t first, n = locate(peers, left_of(peers), pull->position, &first);
    peers->distance +=
        peers_square_distance(options->result + first, options->values + first, n, &peers->square);
    if (options->settled)
        options->settled(options->user, first, n);
    return NULL;
}

const struct peers_order peers_ring = {.chunk = chunk,
                                       .sent = sent,
                                       .out = out,
                                       .in = in,
                                       .completed = completed};
