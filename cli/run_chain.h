// The records of a run, as its folder keeps them (store/record.h): what went into every round and what came
// out, chained.
#pragma once

#include "base/error.h"
#include "cohort/v1/coordinator.pb.h"

struct run_chain;

// `yaml` is the experiment as resolved: the first record holds its hash.
enum status run_chain_new(struct run_chain **ret, const char *yaml, struct error *error);
struct run_chain *run_chain_free(struct run_chain *chain);
// Takes an event of the experiment; others than accepted summaries and committed rounds do not matter.
enum status run_chain_event(struct run_chain *chain, const cohort_v1_WatchExperimentResponse *event,
                            struct error *error);
// Writes `folder`/records.jsonl.
enum status run_chain_write(const struct run_chain *chain, const char *folder, struct error *error);
