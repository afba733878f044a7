#include "experiment/local_evaluation.h"
#include "base/philox.h"
#include <math.h>
#include <stdlib.h>

const struct field evaluation_fields[] = {
    {.name = "holdout",
     .type = FIELD_REAL,
     .offset = offsetof(struct evaluation_options, holdout),
     .fallback = "0",
     .max = 0.9,
     .help = "Share of each learner's own samples that it keeps out of training to evaluate on; 0: none"},
    {.name = "every",
     .type = FIELD_INT,
     .offset = offsetof(struct evaluation_options, every),
     .fallback = "1",
     .min = 1,
     .max = 1000000,
     .help = "Learners evaluate after every so many rounds, and after the last"},
    {0},
};

bool local_evaluation_due(const struct evaluation_options *options, uint32_t round, uint32_t rounds)
{
    return round == rounds || round % (uint64_t)options->every == 0;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

size_t local_holdout(const struct evaluation_options *options, uint64_t seed, uint32_t learner, size_t n,
                     uint32_t *ret_rows)
{
    for (size_t i = 0; i < n; i++)
        ret_rows[i] = (uint32_t)i;
    if (options->holdout <= 0 || n < 2)
        return n;
    size_t held = (size_t)round(options->holdout * (double)n);
    held = held < 1 ? 1 : held < n ? held : n - 1;
    struct random random =
        random_open((struct random_key){.seed = seed, .learner = learner, .purpose = RANDOM_HOLDOUT});
    random_shuffle(&random, ret_rows, n);
    qsort(ret_rows, n - held, sizeof *ret_rows, ascending);
    qsort(ret_rows + n - held, held, sizeof *ret_rows, ascending);
    return n - held;
}

void local_tally_add(struct local_tally *tally, double loss, double accuracy)
{
    if (isfinite(loss)) {
        tally->loss += loss;
        tally->n_losses++;
    }
    if (!isfinite(accuracy))
        return;
    double mean = tally->n_accuracies ? tally->accuracy / tally->n_accuracies : 0;
    tally->worst = tally->n_accuracies ? fmin(tally->worst, accuracy) : accuracy;
    tally->accuracy += accuracy;
    tally->n_accuracies++;
    tally->squares += (accuracy - mean) * (accuracy - tally->accuracy / tally->n_accuracies);
}

struct local_metrics local_tally_metrics(const struct local_tally *tally)
{
    double n = tally->n_accuracies;
    bool known = tally->n_accuracies > 0;
    return (struct local_metrics){
        .n_learners = tally->n_losses > tally->n_accuracies ? tally->n_losses : tally->n_accuracies,
        .loss = tally->n_losses ? tally->loss / tally->n_losses : NAN,
        .accuracy = known ? tally->accuracy / n : NAN,
        .worst = known ? tally->worst : NAN,
        .deviation = known ? sqrt(fmax(tally->squares, 0) / n) : NAN,
    };
}
