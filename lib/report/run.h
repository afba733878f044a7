// A run's folder: metrics.jsonl as rounds happen, summary.json and report.html at the end.
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metric {
    char name[48];
    double value; // NAN (not known) is null in files
};

// What became of one committed round.
struct round_record {
    uint32_t round;
    double seconds; // from the assignments to the commit
    uint32_t n_summaries, n_selected;
    char model_sha256[65];
    size_t n_metrics;
    struct metric metrics[16]; // train_loss, train_accuracy, test_loss, test_accuracy, ...
    int64_t unix_ms;
};

// What one learner did in one round.
struct learner_record {
    uint32_t round;
    const char *learner;
    uint64_t weight;
    double seconds;                      // from its assignment to its summary's acceptance
    double train_seconds, fetch_seconds; // NAN when not told
    uint32_t staleness;                  // rounds committed since the model that it started from
    size_t n_metrics;
    struct metric metrics[16];
    const char *rejected; // why, or NULL
};

// What one learner told of the model that it would use after a round, on data of its own that it keeps out of
// training.
struct evaluation_record {
    uint32_t round;
    const char *learner;
    uint64_t n_samples;
    size_t n_metrics;
    struct metric metrics[16]; // local_loss, local_accuracy, ...
};

// The end of it all, for summary.json (../DESIGN's field names).
struct run_summary {
    const char *experiment;
    uint64_t seed;
    uint32_t rounds;                             // committed
    const char *status;                          // "completed", "stopped_early", "failed", "cancelled"
    const char *message;                         // NULL when there is nothing to add
    double test_accuracy, test_loss, train_loss; // NAN: unknown, written as null
    // Learners on their own held-out data: means, the least accurate one, the deviation between them; NAN:
    // unknown, not written.
    double local_accuracy, local_accuracy_worst, local_accuracy_std, local_loss;
    double wall_seconds;
    uint64_t bytes_up, bytes_down;
    uint64_t model_parameters;
    const char *model_sha256;
    uint64_t coordinator_peak_rss, learner_peak_rss; // bytes
    const char *blas;
    uint32_t learners, processes;
    const char *version;
    uint64_t summaries_rejected;
};

struct run;

// Opens an existing, writable folder; starts metrics.jsonl anew.
enum status run_open(struct run **ret, const char *folder, struct error *error);
// Appends a line to metrics.jsonl, {"type": "round", ...} or {"type": "learner", ...}, and remembers it for
// the report.
enum status run_add_round(struct run *run, const struct round_record *record, struct error *error);
enum status run_add_learner(struct run *run, const struct learner_record *record, struct error *error);
enum status run_add_evaluation(struct run *run, const struct evaluation_record *record, struct error *error);
// Writes summary.json and report.html; `resolved_yaml` is shown in the report.
enum status run_finish(struct run *run, const struct run_summary *summary, const char *resolved_yaml,
                       const char *model_table, struct error *error);
struct run *run_free(struct run *run);
