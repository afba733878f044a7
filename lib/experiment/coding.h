// How an experiment's summaries and models are coded, as learner and coordinator must agree.
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

// ---- models ---------------------------------------------------------------------------------------------
//
// Where something is lost of a model on its way down, the model is what comes of it: learners train from it,
// and its hash is the round's. What was lost stays with the coordinator and is added to what the next round
// makes, as a learner does with summaries.

// Whether models travel as they are.
bool experiment_sends_models(const struct experiment_options *options);
// Whether they travel as differences, so that who fetches one has to have kept the one before.
bool experiment_sends_differences(const struct experiment_options *options);
// Whether the coordinator keeps what is lost [plan_shared_values]. Where what is shared is made anew each
// round, such as predictions, there is nothing to put right.
bool experiment_keeps_lost(const struct experiment_options *options, const struct algorithm_plan *plan);
// The coder of the shared values [plan_shared_values] of the model that `round` ended with, 0 the initial
// one. With differences, `reference` is the model before, and the initial one is coded as it is. False when
// that model travels as it is.
bool experiment_model_coder(const struct experiment_options *options, const struct algorithm_plan *plan,
                            const struct model *model, uint32_t round, const float *reference,
                            struct coder *ret);
