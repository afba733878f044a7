// Parts that differ in their mix of classes, as the field's benchmarks have them. With equal sizes each
// learner draws its mix of classes from Dirichlet(alpha) and fills its share by it (Hsu, Qi, Brown,
// "Measuring the effects of non-identical data distribution", 2019; filled as by Acar et al., "FedDyn",
// 2021). With free sizes each class is split among the learners by a draw from Dirichlet(alpha) (Yurochkin et
// al., "Bayesian nonparametric federated learning", 2019).
#include "base/memory.h"
#include "data/partition.h"
#include "data/pools.h"
#include <math.h>

enum { SIZES_EQUAL, SIZES_FREE };
static const char *const sizes_words[] = {[SIZES_EQUAL] = "equal", [SIZES_FREE] = "free", NULL};

struct dirichlet_options {
    double alpha;
    int sizes;
};

static const struct field fields[] = {
    {.name = "alpha",
     .type = FIELD_REAL,
     .offset = offsetof(struct dirichlet_options, alpha),
     .fallback = "0.5",
     .min = 0,
     .above = true,
     .help = "How alike the parts are: 0.1 gives a learner few classes, 100 nearly all alike"},
    {.name = "sizes",
     .type = FIELD_WORD,
     .offset = offsetof(struct dirichlet_options, sizes),
     .fallback = "equal",
     .words = sizes_words,
     .help = "Whether all learners get equally many samples (equal), or as many as the draw gives (free)"},
    {0},
};

// Draws `n` weights that sum to one. For tiny alpha every gamma draw may underflow; the limit of such a
// distribution is all the weight on one.
static void draw_mix(struct random *random, double alpha, size_t n, double *ret)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ret[i] = random_gamma(random, alpha);
    if (!(sum > 0) || !isfinite(sum)) {
        size_t winner = random_below(random, (uint32_t)n);
        for (size_t i = 0; i < n; i++)
            ret[i] = i == winner;
        return;
    }
    for (size_t i = 0; i < n; i++)
        ret[i] /= sum;
}

// Running sums of `mix` over the groups that still have samples; when the mix has nothing left to give, over
// what there is of each.
static void accumulate(const struct pools *pools, const double *mix, double *ret)
{
    double sum = 0;
    for (size_t g = 0; g < pools->n_groups; g++)
        ret[g] = sum += pools->next[g] < pools->end[g] ? mix[g] : 0;
    if (sum > 0)
        return;
    for (size_t g = 0; g < pools->n_groups; g++)
        ret[g] = sum += (double)(pools->end[g] - pools->next[g]);
}

// The first group whose running sum is above `at`.
static size_t find_group(const double *sums, size_t n, double at)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// Takes `quota` samples, each from a group drawn by `mix`.
static void fill(struct pools *pools, struct random *random, const double *mix, double *sums, size_t quota,
                 uint32_t learner, uint32_t *owner)
{
    size_t n = pools->n_groups;
    accumulate(pools, mix, sums);
    while (quota) {
        size_t g = find_group(sums, n, random_double(random) * sums[n - 1]);
        if (pools->next[g] == pools->end[g]) { // used up since the sums were made, or by rounding
            accumulate(pools, mix, sums);
            continue;
        }
        owner[pools->rows[pools->next[g]++]] = learner;
        quota--;
    }
}

static void share_equal(const struct dirichlet_options *options, struct pools *pools, size_t n_samples,
                        size_t n_learners, uint64_t seed, double *work, uint32_t *owner)
{
    double *mix = work, *sums = work + pools->n_groups;
    for (uint32_t learner = 0; learner < n_learners; learner++) {
        struct random random = partition_random(seed, learner, 0, 1);
        draw_mix(&random, options->alpha, pools->n_groups, mix);
        fill(pools, &random, mix, sums, partition_quota(n_samples, n_learners, learner), learner, owner);
    }
}

// A learner that the draw left without any takes one sample from the one that has most.
static void feed_the_empty(size_t n_samples, size_t n_learners, size_t *counts, uint32_t *owner)
{
    for (size_t learner = 0; learner < n_learners; learner++) {
        size_t most = 0, i = 0;
        if (counts[learner])
            continue;
        for (size_t other = 0; other < n_learners; other++)
            if (counts[other] > counts[most])
                most = other;
        while (i < n_samples - 1 && owner[i] != most)
            i++;
        owner[i] = (uint32_t)learner;
        counts[most]--;
        counts[learner]++;
    }
}

static void share_free(const struct dirichlet_options *options, struct pools *pools, size_t n_learners,
                       uint64_t seed, double *mix, size_t *counts, uint32_t *owner)
{
    for (size_t g = 0; g < pools->n_groups; g++) {
        struct random random = partition_random(seed, 0, (uint32_t)g, 2);
        size_t first = pools->next[g], n = pools->end[g] - first, taken = 0;
        double sum = 0;
        draw_mix(&random, options->alpha, n_learners, mix);
        for (uint32_t learner = 0; learner < n_learners; learner++) {
            sum += mix[learner];
            size_t upto = learner + 1 == n_learners ? n : (size_t)(fmin(sum, 1) * (double)n + 0.5);
            for (; taken < upto && taken < n; taken++, counts[learner]++)
                owner[pools->rows[first + taken]] = learner;
        }
    }
}

static enum status share(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error)
{
    const struct dirichlet_options *dirichlet = options;
    size_t most = n_learners > 2 * n_groups ? n_learners : 2 * n_groups;
    cleanup_free double *work = memory_array(most, sizeof *work);
    cleanup_free size_t *counts = memory_array(n_learners, sizeof *counts);
    struct pools pools;
    if (!work || !counts)
        return error_no_memory(error, most * sizeof *work);
    TRY(pools_new(&pools, groups, n_samples, n_groups, seed, error));
    if (dirichlet->sizes == SIZES_EQUAL) {
        share_equal(dirichlet, &pools, n_samples, n_learners, seed, work, owner);
    } else {
        share_free(dirichlet, &pools, n_learners, seed, work, counts, owner);
        feed_the_empty(n_samples, n_learners, counts, owner);
    }
    pools_release(&pools);
    return STATUS_OK;
}

const struct partition_kind partition_dirichlet = {
    .kind =
        {
            .name = "dirichlet",
            .help = "Parts whose mix of classes is drawn from a Dirichlet distribution, so that they differ",
            .fields = fields,
            .options_bytes = sizeof(struct dirichlet_options),
        },
    .needs_groups = true,
    .share = share,
};
