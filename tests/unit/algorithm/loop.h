// The loop of learn, reduce and re-update in one process, without a network: for tests of algorithms, and for
// their references and accuracy checks.
#pragma once

#include "algorithm/algorithm.h"

struct loop;

// `yaml` holds the sections `model` and `training` and the kind `algorithm`, as an experiment does; `probe:
// N` makes the first N samples of the parts' dataset the probe. The parts, one a learner, must outlive the
// loop. The weight unit is a learner's mean number of samples.
enum status loop_new(struct loop **ret, const char *yaml, const struct part *parts, size_t n_learners,
                     uint64_t seed, uint32_t rounds, struct error *error);
struct loop *loop_free(struct loop *loop);

// One round over all learners, folded from the last to the first when `backwards`; with `ret_train_loss` (may
// be NULL) the learners' train losses, weighted by samples.
enum status loop_round(struct loop *loop, bool backwards, double *ret_train_loss, struct error *error);

// A round of the learners [n] in `who`, each of whom starts from what was committed when it last took part
// (at first from the initial values), and counts (1 + commits since)^-1/2 of its values.
enum status loop_stale_round(struct loop *loop, const uint32_t *who, size_t n, struct error *error);

// One learner's half of the round that comes next, from the present model; its summary then stands in
// loop_summary until the next call.
enum status loop_learn(struct loop *loop, uint32_t learner, struct learner_result *ret, struct error *error);
const float *loop_summary(const struct loop *loop);
// [n_parameters]: what that learner would answer with until its next step.
const float *loop_answering(const struct loop *loop);
// The learner's own model now, for a kind that has such.
void loop_own_model(struct loop *loop, uint32_t learner, float *ret_parameters);

// Goes on with `round` next, as after a restart, from what `from` has committed and its learners keep: a loop
// of the same experiment.
void loop_resume(struct loop *loop, uint32_t round, const struct loop *from);

// The present values [n_values]: all shared and private vectors, of which the first is the model, if there is
// one.
float *loop_parameters(struct loop *loop);
size_t loop_n_parameters(const struct loop *loop);
size_t loop_n_values(const struct loop *loop);
const struct algorithm_plan *loop_plan(const struct loop *loop);
// The step of the coordinator's half of the round that comes next, without scalars.
struct reupdate_step loop_reupdate_step(const struct loop *loop);
// What the learner keeps [plan.n_own].
const float *loop_own(const struct loop *loop, uint32_t learner);
const struct model *loop_model(const struct loop *loop);
// Asked by learners between batches; NULL at first.
void loop_set_stop(struct loop *loop, bool (*stop)(void *user), void *user);
// The present model's, or the mean over the learners' own models where they have some.
enum status loop_evaluate(struct loop *loop, const struct part *part, struct evaluation *ret,
                          struct error *error);
