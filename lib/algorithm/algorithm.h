// An algorithm: what a learner sends, how it is reduced, and how everyone re-updates. Both halves stand in
// one file.
#pragma once

#include "algorithm/evaluate.h"
#include "base/registry.h"
#include "data/dataset.h"
#include "nn/training.h"
#include "summary/codec.h"
#include <stddef.h>
#include <stdint.h>

// An experiment as an algorithm's lengths depend on it.
struct algorithm_setting {
    const void *options; // the algorithm's
    const struct training_options *training;
    const struct model *model; // this learner's; at the coordinator, the experiment's
    uint64_t seed;
    uint32_t n_learners, rounds;
    size_t n_probe; // unlabelled samples that all learners share; 0: none
};

// What the coordinator sends with a round.
enum algorithm_shares {
    SHARES_MODEL,  // the first shared vector is the model's parameters
    SHARES_PREFIX, // the parameters of its first tensors; each learner has the others for itself
    SHARES_VALUES, // no parameters, such as predictions or statistics; learners have models of their own
};

// How long everything is that an algorithm exchanges and keeps. Vectors lie back to back, each of `n_values`.
struct algorithm_plan {
    enum algorithm_shares shares;
    size_t n_values;        // of a vector: the model's parameters, unless the plan says otherwise
    unsigned int n_shared;  // vectors that the coordinator sends with a round; at least one
    unsigned int n_private; // vectors that it keeps to itself from round to round, after the shared ones
    unsigned int n_vectors; // in a learner's summary; at least one
    size_t n_sent;          // values of each of those: n_values, unless the kind has `resolve` and says so
    unsigned int n_scalars; // single values after them
    size_t n_own;           // values that a learner keeps from round to round
    bool around_model;      // the first vector of a summary is weights, which lie around the first shared one
    bool in_place; // the summary is what becomes of the round's model: no buffer but the parameters is needed
};

#define ALGORITHM_VECTORS_MAX 8 // shared and private together, and in a summary
#define ALGORITHM_SCALARS_MAX 64

size_t plan_shared_values(const struct algorithm_plan *plan);  // that a learner fetches
size_t plan_kept_values(const struct algorithm_plan *plan);    // shared and private, that the coordinator has
size_t plan_summary_values(const struct algorithm_plan *plan); // that a learner sends
// The tensors of the first shared vector, as they are stored and hashed: the model's, or its first ones, or
// one called "shared".
enum status plan_layout(const struct algorithm_plan *plan, const struct model *model, struct layout *ret,
                        struct error *error);

// One learner's step of one round.
struct learner_step {
    const void *options; // the algorithm's
    const struct training_options *training;
    const struct algorithm_plan *plan;
    const struct model *model;
    const struct part *part;
    const struct part *probe; // shared unlabelled samples; NULL: none
    struct trainer *trainer;  // this thread's; NULL where the algorithm trains nothing
    uint64_t seed;
    uint32_t learner, n_learners;
    uint32_t round, rounds; // round from 1

    const float *shared; // [plan_shared_values] as fetched; NULL: in place, not kept
    // [n_parameters] of `model`, a working copy of the first shared vector (SHARES_MODEL; else undefined).
    // What it holds in the end is the model that this learner answers questions with: own_model's, where the
    // kind has that.
    float *parameters;
    float *own;     // [plan.n_own], written only when the step succeeds
    float *summary; // [plan_summary_values] to be filled; the same as `parameters` in place

    bool (*stop)(void *user); // asked now and then; true: give up with CANCELLED
    void *user;
};

// What a learner's step came to.
struct learner_result {
    uint64_t weight;       // samples behind the summary
    double train_loss;     // mean over the samples seen, each before the step that it took part in
    double train_accuracy; // of the same outputs; NAN when not known
};

// The coordinator's (or, peer to peer, a learner's) re-update after reduction.
struct reupdate_step {
    const void *options;
    const struct training_options *training;
    const struct model *model; // the experiment's
    const struct algorithm_plan *plan;
    uint32_t round, rounds;
    uint32_t n_summaries, n_learners; // reduced in this round; in the experiment
    const float *scalars;             // [plan.n_scalars] reduced
};

// What becomes of a stale summary: one that starts from a model from which others have moved on since.
enum algorithm_stale {
    STALE_REFUSED,     // it means nothing: rounds must be in step
    STALE_WEIGHS_LESS, // it has a smaller weight against the others of the round in which it counts
    STALE_STEPS_LESS,  // its values shrink at the same weight, and with them the step that the round makes
};

struct algorithm_kind {
    struct kind kind;
    enum algorithm_stale stale; // how summaries may count that are not of a round in step
    bool trains_nothing;        // learners need no trainer, so they hold no more than the model
    bool own_models;            // learners have models of their own (SHARES_VALUES), which begin_own draws
    bool any_models;            // and these need not have the same architecture
    bool needs_probe;           // shared unlabelled samples
    // Refuses training options that the algorithm cannot honour; may be NULL.
    enum status (*check_training)(const void *options, const struct training_options *training,
                                  struct error *error);
    // Refuses models that the algorithm cannot train; may be NULL.
    enum status (*check_model)(const void *options, const struct model *model, struct error *error);
    // Changes the plan from what algorithm_plan starts with; may be NULL.
    enum status (*plan)(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error);
    // The coordinator's values [plan_kept_values] before the first round, from zeros and, with SHARES_MODEL
    // or SHARES_PREFIX, the initial weights in the first vector; may be NULL.
    void (*begin)(const struct algorithm_setting *setting, const struct algorithm_plan *plan, float *values);
    // A learner's own values, from zeros, before its first step; `parameters` and `summary` are not there.
    // May be NULL.
    void (*begin_own)(const struct learner_step *step, float *own);
    // Learner: trains, and fills the summary.
    enum status (*learn)(const struct learner_step *step, struct learner_result *ret, struct error *error);
    // The parameters [n_parameters] that this learner would use now, from what is shared and its own; NULL:
    // the first shared vector. `parameters` and `summary` of the step are not there.
    void (*own_model)(const struct learner_step *step, float *ret_parameters);

    // The next values; at most one of the two. With neither, the mean of the summaries is the next model.
    //
    // For values [offset, offset + n) of every vector: reduced[i] [n], i below n_vectors, are the reduced
    // summaries, to be overwritten at will; values[i] [n], i below n_shared + n_private, are the present ones
    // and become the next. All point at the range's first. Elementwise, so ranges may be done in any order
    // and by several threads.
    void (*reupdate)(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values);
    // The same for all values at once, where they depend on each other; reduced[i] [n_sent].
    enum status (*resolve)(const struct reupdate_step *step, float *const *reduced, float *const *values,
                           struct error *error);
};

extern const struct registry algorithms;

// The plan of `kind`: one shared vector of the model's parameters, and one in a summary, unless the kind's
// own says otherwise. INVALID_ARGUMENT where the setting is not possible.
enum status algorithm_plan(const struct algorithm_kind *kind, const struct algorithm_setting *setting,
                           struct algorithm_plan *ret, struct error *error);

// A learner's step with its buffers checked by nobody: fills `parameters` first where the plan says so, and
// with the learner's own model in the end.
enum status algorithm_learn(const struct algorithm_kind *kind, const struct learner_step *step,
                            struct learner_result *ret, struct error *error);
