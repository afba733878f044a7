#include "base/memory.h"
#include "report/chart.h"
#include "report/html_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHARTS_MAX = 6 };

// Where a metric was measured: its prefix, and how a line of it looks.
static const struct {
    const char *prefix, *style;
} sides[] = {{"train_", "train"}, {"test_", "test"}, {"local_", "local"}};

static size_t side_of(const char *name)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(sides) && strncmp(name, sides[i].prefix, strlen(sides[i].prefix)) != 0)
        i++;
    return i;
}

// Of the learners, not of the accuracies whose chart it would flatten.
static bool is_spread(const char *name)
{
    return strcmp(name, "local_accuracy_std") == 0;
}

// "loss" for "train_loss" and "test_loss", "accuracy" for the worst learner's too; other metrics stand for
// themselves.
static const char *subject(const char *name)
{
    size_t side = side_of(name);
    if (strcmp(name, "local_accuracy_worst") == 0)
        return "accuracy";
    return side < ARRAY_SIZE(sides) && !is_spread(name) ? name + strlen(sides[side].prefix) : name;
}

static const char *series_name(const char *name)
{
    static const char *const words[] = {"train", "test", "learners' own"};
    if (strcmp(name, "local_accuracy_worst") == 0)
        return "worst learner";
    size_t side = side_of(name);
    return side < ARRAY_SIZE(words) && !is_spread(name) ? words[side] : name;
}

static const char *series_style(const char *name)
{
    if (strcmp(name, "local_accuracy_worst") == 0)
        return "worst";
    return side_of(name) < ARRAY_SIZE(sides) ? sides[side_of(name)].style : "other";
}

// The rounds' values as columns.
struct columns {
    size_t n;
    double *rounds;
    double *values; // [n_metrics, n]
};

static bool columns_make(struct columns *columns, const struct history *history)
{
    size_t n = history->n_rounds;
    columns->n = n;
    columns->rounds = memory_array(n + 1, sizeof(double));
    columns->values = memory_array(n * history->n_metrics + 1, sizeof(double));
    if (!columns->rounds || !columns->values)
        return false;
    for (size_t i = 0; i < n; i++) {
        columns->rounds[i] = history->rounds[i].round;
        for (size_t k = 0; k < history->n_metrics; k++)
            columns->values[k * n + i] = history->rounds[i].metrics[k];
    }
    return true;
}

static void columns_release(struct columns *columns)
{
    memory_free(columns->rounds);
    memory_free(columns->values);
}

static void title_of(const char *name, char *ret, size_t bytes)
{
    snprintf(ret, bytes, "%s", name);
    for (char *c = ret; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    if (ret[0] >= 'a' && ret[0] <= 'z')
        ret[0] -= 'a' - 'A';
}

static void put_subject(struct bytes *ret, const struct history *history, const struct columns *columns,
                        size_t first)
{
    const char *about = subject(history->metric_names[first]);
    struct chart_series series[HISTORY_METRICS_MAX];
    size_t n_series = 0;
    for (size_t k = first; k < history->n_metrics; k++) {
        const char *name = history->metric_names[k];
        if (strcmp(subject(name), about) == 0)
            series[n_series++] = (struct chart_series){series_name(name), columns->values + k * columns->n,
                                                       series_style(name)};
    }
    char title[48];
    title_of(about, title, sizeof title);
    bool share = strstr(about, "accuracy") != NULL && !is_spread(about);
    chart_lines(ret, &(struct chart){
                         .title = title,
                         .n = columns->n,
                         .rounds = columns->rounds,
                         .n_series = n_series,
                         .series = series,
                         .low = share ? 0 : NAN,
                         .high = share ? 1 : NAN,
                     });
}

static bool subject_is_new(const struct history *history, size_t metric)
{
    for (size_t k = 0; k < metric; k++)
        if (strcmp(subject(history->metric_names[k]), subject(history->metric_names[metric])) == 0)
            return false;
    return true;
}

// What a round's time went to, by the mean of its learners; the rest is waiting for the slowest, reducing and
// evaluating.
struct durations {
    double *train, *fetch, *rest;
    uint32_t *counts;
};

static void durations_sum(struct durations *durations, const struct history *history)
{
    for (size_t i = 0; i < history->n_points; i++) {
        const struct history_point *point = &history->points[i];
        size_t round = history_round(history, point->round);
        if (round == history->n_rounds || !isfinite(point->train_seconds))
            continue;
        durations->train[round] += point->train_seconds;
        durations->fetch[round] += isfinite(point->fetch_seconds) ? point->fetch_seconds : 0;
        durations->counts[round]++;
    }
    for (size_t i = 0; i < history->n_rounds; i++) {
        double whole = history->rounds[i].seconds, n = durations->counts[i] ? durations->counts[i] : 1;
        durations->train[i] = fmin(durations->train[i] / n, whole);
        durations->fetch[i] = fmin(durations->fetch[i] / n, whole - durations->train[i]);
        durations->rest[i] = whole - durations->train[i] - durations->fetch[i];
    }
}

static bool any_positive(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] > 0)
            return true;
    return false;
}

static void put_durations(struct bytes *ret, const struct history *history, const struct columns *columns)
{
    size_t n = columns->n;
    cleanup_free double *values = memory_array(3 * n + 1, sizeof *values);
    cleanup_free uint32_t *counts = memory_array(n + 1, sizeof *counts);
    if (!values || !counts) {
        ret->failed = true;
        return;
    }
    struct durations durations = {values, values + n, values + 2 * n, counts};
    durations_sum(&durations, history);
    bool split = any_positive(durations.train, n);
    struct chart_series series[3] = {
        {split ? "train (a learner's mean)" : "whole round", split ? durations.train : durations.rest,
         "test"},
        {"fetch", durations.fetch, "train"},
        {"other", durations.rest, "rest"},
    };
    chart_bars(ret, &(struct chart){.title = "Seconds a round",
                                    .n = n,
                                    .rounds = columns->rounds,
                                    .n_series = split ? 3 : 1,
                                    .series = series,
                                    .low = 0,
                                    .high = NAN});
}

void html_charts(struct bytes *ret, const struct history *history)
{
    struct columns columns = {0};
    if (history->n_rounds == 0)
        return;
    if (!columns_make(&columns, history))
        ret->failed = true;
    bytes_text(ret, "<section><h2>By round</h2>\n<div class=\"charts\">\n");
    size_t n_charts = 0;
    for (size_t k = 0; k < history->n_metrics && n_charts < CHARTS_MAX && !ret->failed; k++)
        if (subject_is_new(history, k)) {
            put_subject(ret, history, &columns, k);
            n_charts++;
        }
    if (!ret->failed)
        html_local(ret, history);
    if (!ret->failed)
        put_durations(ret, history, &columns);
    bytes_text(ret, "</div></section>\n");
    columns_release(&columns);
}
