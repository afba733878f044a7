// An experiment's events as `cohort run` records them: metrics, progress and, in the end, the report.
#pragma once

#include "cli/run_chain.h"
#include "cohort/v1/coordinator.pb.h"
#include "report/progress.h"
#include "report/run.h"

struct run_records;

struct run_records_options {
    uint32_t n_learners;
    bool evaluated;          // every round is evaluated: its line waits for that
    struct run *run;         // takes the records
    struct run_chain *chain; // and this one those that are verified
    struct progress *progress;
};

enum status run_records_new(struct run_records **ret, const struct run_records_options *options,
                            struct error *error);
// Takes one event; a callback of event_stream_new, `user` being the records.
enum status run_records_event(void *user, const cohort_v1_WatchExperimentResponse *event,
                              struct error *error);
// Writes the rounds whose evaluation has not come and will not.
enum status run_records_flush(struct run_records *records, struct error *error);
struct run_records *run_records_free(struct run_records *records);
