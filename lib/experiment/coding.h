// How an experiment's summaries are coded, as learner and coordinator must agree.
#pragma once

#include "experiment/experiment.h"
#include "summary/coder.h"

// The coder of a learner's summary in a round. `reference` [plan_shared_values] is the round's model as the
// learner fetched it; it must stay in place as long as the coder is used, as must options, plan and model.
struct coder experiment_coder(const struct experiment_options *options, const struct algorithm_plan *plan,
                              const struct model *model, uint32_t learner, uint32_t round,
                              const float *reference);
// Whether summaries travel as they are.
bool experiment_sends_values(const struct experiment_options *options);
