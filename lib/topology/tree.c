// Everyone exchanges with everyone through the coordinator, as in a star, but by way of relays, each of which
// sends the exact sum of what stands behind it: W_ij = w_j / sum_k w_k, the same row for all.
#include "config/fields.h"
#include "topology/topology.h"
#include <inttypes.h>

enum { RELAYS_MAX = 1000 };

struct tree_options {
    int64_t relays;
};

static const struct field fields[] = {
    {.name = "relays",
     .type = FIELD_INT,
     .offset = offsetof(struct tree_options, relays),
     .fallback = "2",
     .min = 1,
     .max = RELAYS_MAX,
     .help = "Relays that `cohort run` starts between its coordinator and its learners, each with an equal "
             "share of them; deployed learners have the relay that they dial"},
    {0},
};

static enum status check_learners(const void *options, size_t n, struct error *error)
{
    const struct tree_options *tree = options;
    if ((uint64_t)tree->relays <= n)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "relays '%" PRId64 "' must be at most %zu, the number of learners; lower it",
                     tree->relays, n);
}

static uint32_t n_relays(const void *options)
{
    const struct tree_options *tree = options;
    return (uint32_t)tree->relays;
}

static void tree_row(const void *options, size_t n, size_t index, const double *weights, double *ret_row)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++)
        ret_row[i] = weights[i] / total;
}

const struct topology_kind topology_tree = {
    .kind = {.name = "tree",
             .help = "Learners exchange with the coordinator by way of relays, which send the exact sums of "
                     "what stands behind them: the same models as in a star, byte for byte",
             .fields = fields,
             .options_bytes = sizeof(struct tree_options)},
    .through_coordinator = true,
    .check_learners = check_learners,
    .n_relays = n_relays,
    .mixing_row = tree_row,
};
