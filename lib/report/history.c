#include "report/history.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Makes room for one more item; doubles at every power of two.
static enum status grow(void **items, size_t n, size_t bytes, struct error *error)
{
    if (n & (n - 1))
        return STATUS_OK;
    size_t capacity = n ? 2 * n : 1;
    void *grown = memory_resize(*items, capacity, bytes);
    if (!grown)
        return error_no_memory(error, capacity * bytes);
    *items = grown;
    return STATUS_OK;
}

double metric_find(const struct metric *metrics, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return metrics[i].value;
    return NAN;
}

size_t history_metric(const struct history *history, const char *name)
{
    size_t i = 0;
    while (i < history->n_metrics && strcmp(history->metric_names[i], name) != 0)
        i++;
    return i;
}

static void keep_metric(struct history *history, struct history_round *round, const struct metric *metric)
{
    size_t i = history_metric(history, metric->name);
    if (i == HISTORY_METRICS_MAX)
        return;
    if (i == history->n_metrics)
        snprintf(history->metric_names[history->n_metrics++], sizeof metric->name, "%s", metric->name);
    round->metrics[i] = metric->value;
}

enum status history_add_round(struct history *history, const struct round_record *record, struct error *error)
{
    TRY(grow((void **)&history->rounds, history->n_rounds, sizeof *history->rounds, error));
    struct history_round *round = &history->rounds[history->n_rounds++];
    *round = (struct history_round){
        .round = record->round,
        .n_summaries = record->n_summaries,
        .n_selected = record->n_selected,
        .seconds = record->seconds,
    };
    snprintf(round->model_sha256, sizeof round->model_sha256, "%.16s", record->model_sha256);
    for (size_t i = 0; i < HISTORY_METRICS_MAX; i++)
        round->metrics[i] = NAN;
    for (size_t i = 0; i < record->n_metrics; i++)
        keep_metric(history, round, &record->metrics[i]);
    return STATUS_OK;
}

// `before`: the learner of the last such record. Records of a round tend to arrive in the order of the round
// before.
static enum status find_learner(struct history *history, const char *name, const uint32_t *before,
                                uint32_t *ret, struct error *error)
{
    size_t guess = before ? *before + 1 : 0;
    for (size_t k = 0; k < history->n_learners; k++) {
        size_t i = (guess + k) % history->n_learners;
        if (strcmp(history->learners[i], name) == 0) {
            *ret = (uint32_t)i;
            return STATUS_OK;
        }
    }
    TRY(grow((void **)&history->learners, history->n_learners, sizeof *history->learners, error));
    char *copy = memory_copy_text(name);
    if (!copy)
        return error_no_memory(error, strlen(name));
    *ret = (uint32_t)history->n_learners;
    history->learners[history->n_learners++] = copy;
    return STATUS_OK;
}

enum status history_add_learner(struct history *history, const struct learner_record *record,
                                struct error *error)
{
    uint32_t learner = 0;
    size_t n = history->n_points;
    TRY(find_learner(history, record->learner, n ? &history->points[n - 1].learner : NULL, &learner, error));
    TRY(grow((void **)&history->points, history->n_points, sizeof *history->points, error));
    history->points[history->n_points++] = (struct history_point){
        .round = record->round,
        .learner = learner,
        .weight = record->weight,
        .seconds = (float)record->seconds,
        .train_seconds = (float)record->train_seconds,
        .fetch_seconds = (float)record->fetch_seconds,
        .loss = (float)metric_find(record->metrics, record->n_metrics, "train_loss"),
        .accuracy = (float)metric_find(record->metrics, record->n_metrics, "train_accuracy"),
        .rejected = record->rejected != NULL,
    };
    return STATUS_OK;
}

enum status history_add_evaluation(struct history *history, const struct evaluation_record *record,
                                   struct error *error)
{
    uint32_t learner = 0;
    size_t n = history->n_evaluations;
    TRY(find_learner(history, record->learner, n ? &history->evaluations[n - 1].learner : NULL, &learner,
                     error));
    TRY(grow((void **)&history->evaluations, n, sizeof *history->evaluations, error));
    history->evaluations[history->n_evaluations++] = (struct history_evaluation){
        .round = record->round,
        .learner = learner,
        .loss = (float)metric_find(record->metrics, record->n_metrics, "local_loss"),
        .accuracy = (float)metric_find(record->metrics, record->n_metrics, "local_accuracy"),
    };
    return STATUS_OK;
}

size_t history_round(const struct history *history, uint32_t round)
{
    size_t low = 0, high = history->n_rounds;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (history->rounds[middle].round < round)
            low = middle + 1;
        else
            high = middle;
    }
    return low < history->n_rounds && history->rounds[low].round == round ? low : history->n_rounds;
}

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->n_learners; i++)
        memory_free(history->learners[i]);
    memory_free(history->learners);
    memory_free(history->rounds);
    memory_free(history->points);
    memory_free(history->evaluations);
    *history = HISTORY_INIT;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double history_round_seconds(const struct history *history, double q)
{
    size_t n = history->n_rounds;
    cleanup_free double *seconds = n ? memory_array(n, sizeof *seconds) : NULL;
    if (!seconds)
        return NAN;
    for (size_t i = 0; i < n; i++)
        seconds[i] = history->rounds[i].seconds;
    qsort(seconds, n, sizeof *seconds, ascending);
    double at = q * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return seconds[n - 1];
    return seconds[below] + (at - (double)below) * (seconds[below + 1] - seconds[below]);
}
