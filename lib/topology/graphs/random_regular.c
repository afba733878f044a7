// A random graph in which every learner has `degree` neighbours: random pairs of learners that both miss
// neighbours are joined until none misses any; stuck or not connected, it is begun again (Steger and Wormald,
// "Generating random regular graphs quickly", Combinatorics, Probability and Computing 8, 1999, Algorithm 1).
#include "base/memory.h"
#include "base/philox.h"
#include "topology/graph.h"
#include <inttypes.h>
#include <string.h>

enum { TRIES_MAX = 200 };

struct regular_options {
    int64_t degree, seed;
};

static const struct field fields[] = {
    {.name = "degree",
     .type = FIELD_INT,
     .offset = offsetof(struct regular_options, degree),
     .fallback = "3",
     .min = 1,
     .max = 64,
     .help = "Neighbours of each learner"},
    {.name = "seed",
     .type = FIELD_INT,
     .offset = offsetof(struct regular_options, seed),
     .fallback = "0",
     .max = 1e15,
     .help = "Of the draw: another seed, another graph"},
    {0},
};

static enum status check_learners(const void *options, size_t n, struct error *error)
{
    const struct regular_options *regular = options;
    if ((size_t)regular->degree >= n)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "degree '%" PRId64 "' must be below %zu, the number of learners", regular->degree,
                         n);
    if ((size_t)regular->degree * n % 2)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "degree '%" PRId64 "' times %zu learners is odd, and an edge has two ends: make one "
                         "of them even",
                         regular->degree, n);
    if (regular->degree == 1 && n > 2)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "degree '1' makes pairs that never hear of each other; give 2 or more");
    return STATUS_OK;
}

// Ends of edges that are still to be joined: node i stands `degree` times in `ends`.
struct draw {
    size_t n, degree, n_ends;
    uint32_t *ends;         // [n * degree]
    uint32_t *neighbours;   // [n, degree]
    uint32_t *n_neighbours; // [n]
};

static bool suitable(const struct draw *draw, uint32_t a, uint32_t b)
{
    for (size_t k = 0; k < draw->n_neighbours[a]; k++)
        if (draw->neighbours[a * draw->degree + k] == b)
            return false;
    return a != b;
}

static void take_end(struct draw *draw, size_t place)
{
    draw->ends[place] = draw->ends[--draw->n_ends];
}

static void join(struct draw *draw, size_t p, size_t q)
{
    uint32_t a = draw->ends[p], b = draw->ends[q];
    draw->neighbours[a * draw->degree + draw->n_neighbours[a]++] = b;
    draw->neighbours[b * draw->degree + draw->n_neighbours[b]++] = a;
    take_end(draw, p > q ? p : q);
    take_end(draw, p > q ? q : p);
}

// False when stuck: no pair that is left goes together. With an odd number of ends one is left over.
static bool draw_once(struct draw *draw, struct random *random)
{
    draw->n_ends = 0;
    memset(draw->n_neighbours, 0, draw->n * sizeof *draw->n_neighbours);
    for (size_t i = 0; i < draw->n * draw->degree; i++)
        draw->ends[draw->n_ends++] = (uint32_t)(i / draw->degree);
    size_t n_misses = 0;
    while (draw->n_ends > 1 && n_misses < 16 * draw->degree * draw->degree + 64) {
        size_t p = random_below(random, (uint32_t)draw->n_ends);
        size_t q = random_below(random, (uint32_t)draw->n_ends);
        bool fits = p != q && suitable(draw, draw->ends[p], draw->ends[q]);
        if (fits)
            join(draw, p, q);
        n_misses = fits ? 0 : n_misses + 1;
    }
    return draw->n_ends <= 1;
}

static bool connected(const struct draw *draw, uint32_t *waiting, uint32_t *seen)
{
    size_t n_waiting = 1, n_seen = 1;
    memset(seen, 0, draw->n * sizeof *seen);
    waiting[0] = 0;
    seen[0] = 1;
    while (n_waiting) {
        uint32_t i = waiting[--n_waiting];
        for (size_t k = 0; k < draw->n_neighbours[i]; k++) {
            uint32_t j = draw->neighbours[i * draw->degree + k];
            if (seen[j])
                continue;
            seen[j] = 1;
            n_seen++;
            waiting[n_waiting++] = j;
        }
    }
    return n_seen == draw->n;
}

static bool add_drawn(const struct draw *draw, struct graph_edges *edges)
{
    for (size_t i = 0; i < draw->n; i++)
        for (size_t k = 0; k < draw->n_neighbours[i]; k++) {
            uint32_t j = draw->neighbours[i * draw->degree + k];
            if (i < j && !graph_add(edges, i, j))
                return false;
        }
    return true;
}

// Of fewer learners than the experiment has, some lost, the degree is what they allow.
static enum status add_edges(const void *options, size_t n_learners, const uint32_t *members, size_t n,
                             struct graph_edges *edges, struct error *error)
{
    const struct regular_options *regular = options;
    if (n < 2)
        return STATUS_OK;
    struct draw draw = {.n = n, .degree = (size_t)regular->degree < n ? (size_t)regular->degree : n - 1};
    cleanup_free uint32_t *memory = memory_array(2 * n * draw.degree + 3 * n, sizeof *memory);
    if (!memory)
        return error_no_memory(error, 2 * n * draw.degree * sizeof *memory);
    draw.ends = memory;
    draw.neighbours = memory + n * draw.degree;
    draw.n_neighbours = memory + 2 * n * draw.degree;
    uint32_t *waiting = draw.n_neighbours + n, *seen = waiting + n;
    for (uint32_t try = 0; try < TRIES_MAX; try++) {
        struct random random = random_open(
            (struct random_key){.seed = (uint64_t)regular->seed, .round = try, .purpose = RANDOM_GRAPH});
        if (draw_once(&draw, &random) && connected(&draw, waiting, seen))
            return add_drawn(&draw, edges) ? STATUS_OK : error_no_memory(error, n * sizeof *memory);
    }
    return error_set(error, STATUS_FAILED_PRECONDITION,
                     "no connected graph in which %zu learners have %zu neighbours each was found; give "
                     "another degree or seed",
                     n, draw.degree);
}

const struct graph_kind graph_random_regular = {
    .kind = {.name = "random_regular",
             .help = "A random connected graph in which every learner has `degree` neighbours",
             .fields = fields,
             .options_bytes = sizeof(struct regular_options)},
    .check_learners = check_learners,
    .add_edges = add_edges,
};
