#include "sums.h"
#include "base/memory.h"
#include "fuzz.h"
#include <math.h>
#include <string.h>

// The same, or as near as sums in another order are.
static bool are_near(const float *found, const float *due, size_t n)
{
    bool near = true;
    for (size_t i = 0; i < n; i++)
        near &= fabsf(found[i] - due[i]) <= 1e-6f * fabsf(due[i]) + 1e-9f ||
                memcmp(&found[i], &due[i], sizeof *due) == 0;
    return near;
}

static float *copy(const float *values, size_t n)
{
    float *ret = memory_array(n, sizeof *ret);
    fuzz_require(ret != NULL);
    return memcpy(ret, values, n * sizeof *ret);
}

void sums_init(struct sums *sums, const struct peers *peers)
{
    size_t n = peers->options.n_values, n_steps = peers->options.steps;
    *sums = (struct sums){
        .peers = peers,
        .n_sent = memory_array(peers->n_out, sizeof *sums->n_sent),
        .result = copy(peers->options.result, n),
        .spare = copy(peers->options.spare, n),
        .terms = memory_array(n_steps ? n_steps * n : 1, sizeof *sums->terms),
        .n_terms = memory_array(peers->n_positions, sizeof *sums->n_terms),
        .is_settled = memory_array(n, 1),
    };
    fuzz_require(sums->n_sent && sums->terms && sums->n_terms && sums->is_settled);
}

void sums_release(struct sums *sums)
{
    memory_free(sums->n_sent);
    memory_free(sums->result);
    memory_free(sums->spare);
    memory_free(sums->terms);
    memory_free(sums->n_terms);
    memory_free(sums->is_settled);
    *sums = SUMS_INIT;
}

// ---- where a chunk lies ---------------------------------------------------------------------------------

static bool in_ring(const struct sums *sums)
{
    return sums->peers->options.pattern == PEERS_RING;
}

// Learner `place` sends the segments -place, 1 - place, ...
static size_t chunk_of(const struct sums *sums, size_t place, size_t position, size_t *ret_first)
{
    const struct peers *peers = sums->peers;
    size_t n = peers->options.n_learners, first_of_segment = 0, n_segment = peers->options.n_values, first;
    if (in_ring(sums))
        n_segment = peers_cut(n_segment, n, (position / peers->n_chunks + n - place) % n, &first_of_segment);
    n_segment = peers_cut(n_segment, peers->n_chunks, position % peers->n_chunks, &first);
    *ret_first = first_of_segment + first;
    return n_segment;
}

static size_t chunk_in(const struct sums *sums, size_t position, size_t *ret_first)
{
    const struct peers_options *options = &sums->peers->options;
    return chunk_of(sums, (options->place + options->n_learners - 1) % options->n_learners, position,
                    ret_first);
}

static bool is_final(const struct sums *sums, size_t position)
{
    return position / sums->peers->n_chunks >= (size_t)sums->peers->options.n_learners - 1;
}

// What step `step` of a mix writes.
static float *written(struct sums *sums, size_t step)
{
    return (sums->peers->options.steps - 1 - step) % 2 ? sums->spare : sums->result;
}

// ---- sums -----------------------------------------------------------------------------------------------

size_t sums_due(const struct sums *sums, size_t position)
{
    size_t first;
    return chunk_in(sums, position, &first);
}

static float ring_sum(const struct sums *sums, size_t position, size_t at, float value)
{
    const struct peers_options *options = &sums->peers->options;
    return is_final(sums, position) ? value : value + options->values[at] * (float)options->share;
}

bool sums_fit(const struct sums *sums, size_t position, const float *values, size_t n)
{
    size_t first;
    if (position >= sums->peers->n_positions || chunk_in(sums, position, &first) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (in_ring(sums) ? !isfinite(ring_sum(sums, position, first + i, values[i]))
                          : !(fabsf(values[i]) < 32768))
            return false;
    return true;
}

// All neighbours' chunks of the position are in.
static void mix(struct sums *sums, size_t position)
{
    const struct peers_options *options = &sums->peers->options;
    size_t first, n = chunk_in(sums, position, &first), step = position / sums->peers->n_chunks;
    const float *own = step ? written(sums, step - 1) : options->values;
    for (size_t i = first; i < first + n; i++)
        written(sums, step)[i] =
            (float)(sums->terms[step * options->n_values + i] + options->share * (double)own[i]);
}

void sums_take(struct sums *sums, size_t neighbour, size_t position, const float *values)
{
    const struct peers *peers = sums->peers;
    size_t first, n = chunk_in(sums, position, &first);
    if (in_ring(sums)) {
        for (size_t i = 0; i < n; i++)
            sums->result[first + i] = ring_sum(sums, position, first + i, values[i]);
        sums->done++;
        return;
    }
    double *terms = sums->terms + position / peers->n_chunks * peers->options.n_values + first;
    for (size_t i = 0; i < n; i++)
        terms[i] += peers->neighbours[neighbour].share * (double)values[i];
    fuzz_require(position < sums->done + PEERS_WINDOW); // or what the exchange keeps would grow
    if (++sums->n_terms[position] == peers->n_in) {
        fuzz_require(position == sums->done);
        mix(sums, position);
        sums->done++;
    }
}

void sums_spoil(struct sums *sums, size_t position)
{
    if (!in_ring(sums) || position >= sums->peers->n_positions)
        return;
    size_t first, n = chunk_in(sums, position, &first);
    memcpy(sums->result + first, sums->peers->options.result + first, n * sizeof(float));
}

void sums_sent(struct sums *sums, size_t out, const float *values, size_t n)
{
    const struct peers *peers = sums->peers;
    const struct peers_options *options = &peers->options;
    size_t position = sums->n_sent[out]++, step = position / peers->n_chunks, first;
    fuzz_require(position < peers->n_positions && n == chunk_of(sums, options->place, position, &first));
    fuzz_require(position < peers->n_chunks || position - peers->n_chunks < sums->done);
    for (size_t i = first; in_ring(sums) && step == 0 && i < first + n; i++)
        sums->result[i] = options->values[i] * (float)options->share;
    const float *due = in_ring(sums) ? sums->result : step ? written(sums, step - 1) : options->values;
    fuzz_require(are_near(values, due + first, n));
}

void sums_settled(struct sums *sums, size_t first, size_t n)
{
    fuzz_require(n <= sums->peers->options.n_values && first <= sums->peers->options.n_values - n);
    unsigned int twice = 0;
    for (size_t i = first; i < first + n; i++)
        twice |= sums->is_settled[i]++;
    fuzz_require(!twice);
}

static void check(float *due, const float *found, size_t n)
{
    if (memcmp(due, found, n * sizeof *due) == 0)
        return;
    fuzz_require(are_near(found, due, n));
    memcpy(due, found, n * sizeof *due);
}

void sums_check(struct sums *sums)
{
    const struct peers_options *options = &sums->peers->options;
    check(sums->result, options->result, options->n_values);
    check(sums->spare, options->spare, options->n_values);
}

bool sums_complete(const struct sums *sums)
{
    const struct peers *peers = sums->peers;
    bool complete = sums->done == peers->n_positions;
    for (size_t i = 0; i < peers->n_out; i++)
        complete = complete && sums->n_sent[i] == peers->n_positions;
    for (size_t i = 0; in_ring(sums) && i < peers->options.n_values; i++)
        complete = complete && sums->is_settled[i];
    return complete;
}
