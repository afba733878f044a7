// What the report needs of a run's records, kept small: 100 learners over 1000 rounds take some 6 MB.
#pragma once

#include "report/run.h"

enum { HISTORY_METRICS_MAX = 16 };

struct history_round {
    uint32_t round;
    uint32_t n_summaries, n_selected;
    double seconds;
    double metrics[HISTORY_METRICS_MAX]; // by the names' order; NAN where missing
    char model_sha256[17];               // its first 16 digits
};

struct history_point {
    uint32_t round;
    uint32_t learner; // index into `learners`
    uint64_t weight;
    float seconds, train_seconds, fetch_seconds; // NAN when not told
    float loss, accuracy;                        // on its own training data; NAN when not told
    bool rejected;
};

// A learner's own evaluation.
struct history_evaluation {
    uint32_t round;
    uint32_t learner;     // index into `learners`
    float loss, accuracy; // on its own held-out data; NAN when not told
};

struct history {
    size_t n_rounds;
    struct history_round *rounds;
    size_t n_metrics;
    char metric_names[HISTORY_METRICS_MAX][48];
    size_t n_points;
    struct history_point *points; // in the order of their arrival
    size_t n_evaluations;
    struct history_evaluation *evaluations; // in the order of their arrival
    size_t n_learners;
    char **learners; // in the order of their first arrival
};

#define HISTORY_INIT ((struct history){0})

// A metric whose name is the 17th is left out of the report; files keep it.
enum status history_add_round(struct history *history, const struct round_record *record,
                              struct error *error);
enum status history_add_learner(struct history *history, const struct learner_record *record,
                                struct error *error);
enum status history_add_evaluation(struct history *history, const struct evaluation_record *record,
                                   struct error *error);
void history_release(struct history *history);

// The index of a round metric, or n_metrics.
size_t history_metric(const struct history *history, const char *name);

// The index of a round, or n_rounds.
size_t history_round(const struct history *history, uint32_t round);

// The value of the metric called `name` among `n`, or NAN.
double metric_find(const struct metric *metrics, size_t n, const char *name);

// The q-quantile (0 to 1) of the rounds' seconds, interpolated between neighbours (Hyndman and Fan 1996, type
// 7, as numpy's default); NAN without rounds or when out of memory.
double history_round_seconds(const struct history *history, double q);
