// When an experiment has come far enough: a metric that is good enough, or no longer gets better.
#pragma once

#include "config/fields.h"

// What can be looked at after a round, in the order of `metric_words`.
enum experiment_metric {
    METRIC_TEST_ACCURACY,
    METRIC_TEST_LOSS,
    METRIC_TRAIN_LOSS,
    METRIC_TRAIN_ACCURACY,
    METRIC_LOCAL_ACCURACY,
    METRIC_LOCAL_ACCURACY_WORST,
    METRIC_LOCAL_LOSS,
    METRIC_PARAMETER_DISTANCE, // of learners' parameters after training from those that they began with,
                               // relative to the latter's norm: small when the models agree
};
extern const char *const metric_words[]; // closed by NULL

struct plateau_options {
    int64_t rounds;
    double delta;
};

struct stop_options {
    int metric;                     // enum experiment_metric
    bool has_at_least, has_at_most; // at least one of the three
    double at_least, at_most;
    bool has_plateau;
    struct plateau_options plateau;
};

extern const struct field stop_fields[];

// What the metric has been so far; zeroed before the first round.
struct stop_progress {
    bool seen;
    double best;    // that it has been, by steps of more than the plateau's delta
    uint32_t since; // looks since the best
};

// Whether the metric lies between 0 and 1, and more of it is better.
bool metric_is_share(enum experiment_metric metric);
// Whether learners' own held-out data tell it (experiment/local_evaluation.h), or the test data.
bool metric_is_local(enum experiment_metric metric);
bool metric_is_test(enum experiment_metric metric);

// INVALID_ARGUMENT when the options name no condition, or one that can never be met.
enum status stop_check(const struct stop_options *options, struct error *error);
// Takes the metric of one more round into account, once each; true when the experiment is to stop. A value
// that is not finite counts as no improvement.
bool stop_reached(const struct stop_options *options, struct stop_progress *progress, double value);
