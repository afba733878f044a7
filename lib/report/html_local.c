// Learners' own evaluations over the rounds.
#include "base/memory.h"
#include "report/chart.h"
#include "report/html_impl.h"
#include <math.h>
#include <string.h>

// The rounds after which somebody evaluated, and what was found.
struct table {
    size_t n_rounds, n_learners;
    double *rounds; // [n_rounds]
    double *values; // [n_learners, n_rounds]; NAN: not told
    double *mean;   // [n_rounds]
};

static bool table_make(struct table *table, const struct history *history)
{
    table->n_learners = history->n_learners < HTML_PANELS_MAX ? history->n_learners : HTML_PANELS_MAX;
    table->n_rounds = history->n_rounds;
    table->rounds = memory_array(table->n_rounds + 1, sizeof(double));
    table->mean = memory_array(table->n_rounds + 1, sizeof(double));
    table->values = memory_array(table->n_rounds * table->n_learners + 1, sizeof(double));
    return table->rounds && table->mean && table->values;
}

static void table_release(struct table *table)
{
    memory_free(table->rounds);
    memory_free(table->values);
    memory_free(table->mean);
}

// The mean is over all learners, also those beyond the ones that are drawn.
static void table_fill(struct table *table, const struct history *history, uint32_t *counts)
{
    size_t n = table->n_rounds;
    for (size_t i = 0; i < n; i++)
        table->rounds[i] = history->rounds[i].round;
    for (size_t i = 0; i < n * table->n_learners; i++)
        table->values[i] = NAN;
    for (size_t i = 0; i < history->n_evaluations; i++) {
        const struct history_evaluation *evaluation = &history->evaluations[i];
        size_t round = history_round(history, evaluation->round);
        if (round == n || !isfinite(evaluation->accuracy))
            continue;
        table->mean[round] += (double)evaluation->accuracy;
        counts[round]++;
        if (evaluation->learner < table->n_learners)
            table->values[evaluation->learner * n + round] = (double)evaluation->accuracy;
    }
    for (size_t i = 0; i < n; i++)
        table->mean[i] = counts[i] ? table->mean[i] / counts[i] : NAN;
}

// Rounds that nobody evaluated would cut the lines.
static void table_squeeze(struct table *table)
{
    size_t n = table->n_rounds, kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(table->mean[i]))
            continue;
        table->rounds[kept] = table->rounds[i];
        table->mean[kept] = table->mean[i];
        for (size_t k = 0; k < table->n_learners; k++)
            table->values[k * n + kept] = table->values[k * n + i];
        kept++;
    }
    for (size_t k = 1; k < table->n_learners; k++)
        memmove(&table->values[k * kept], &table->values[k * n], kept * sizeof(double));
    table->n_rounds = kept;
}

static void put_table(struct bytes *ret, const struct table *table, const struct history *history)
{
    struct chart_series series[HTML_PANELS_MAX + 1];
    for (size_t k = 0; k < table->n_learners; k++)
        series[k] = (struct chart_series){history->learners[k], table->values + k * table->n_rounds, "rest"};
    series[table->n_learners] = (struct chart_series){"mean of the learners", table->mean, "local"};
    chart_lines(ret, &(struct chart){
                         .title = "Accuracy on each learner's own held-out data",
                         .n = table->n_rounds,
                         .rounds = table->rounds,
                         .n_series = table->n_learners + 1,
                         .n_quiet = table->n_learners,
                         .series = series,
                         .low = 0,
                         .high = 1,
                     });
}

void html_local(struct bytes *ret, const struct history *history)
{
    struct table table = {0};
    if (history->n_evaluations == 0 || history->n_rounds == 0)
        return;
    cleanup_free uint32_t *counts = memory_array(history->n_rounds, sizeof *counts);
    if (counts && table_make(&table, history)) {
        table_fill(&table, history, counts);
        table_squeeze(&table);
        put_table(ret, &table, history);
    } else {
        ret->failed = true;
    }
    table_release(&table);
}
