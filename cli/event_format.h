// Events and states as `cohort watch` and `cohort learners` print them.
#pragma once

#include "base/bytes.h"
#include "cohort/v1/coordinator.pb.h"

// "running"; "unknown" for one that a newer coordinator sent.
const char *event_experiment_state(cohort_v1_ExperimentState state);
const char *event_learner_state(cohort_v1_LearnerState state);
const char *event_reason(cohort_v1_Reason reason); // "not_finite"

// Appends a line for people, with its end. Nothing of one that is not known.
void event_text(const cohort_v1_WatchExperimentResponse *event, struct bytes *ret);
// Appends a line of JSON: cursor, unix_ms, event ("round_committed"), and the event's fields, metrics as an
// object.
void event_json(const cohort_v1_WatchExperimentResponse *event, struct bytes *ret);
