// An algorithm: what a learner sends, how it is reduced, and how everyone re-updates. Both halves stand in
// one file.
#pragma once

#include "base/registry.h"
#include "data/dataset.h"
#include "nn/training.h"
#include "summary/codec.h"
#include <stddef.h>
#include <stdint.h>

// One learner's step of one round.
struct learner_step {
    const void *options; // the algorithm's
    const struct training_options *training;
    const struct model *model;
    const struct part *part;
    struct trainer *trainer; // this thread's; NULL where the algorithm trains nothing
    uint64_t seed;
    uint32_t learner, round, rounds; // round from 1
    bool (*stop)(void *user);        // asked now and then; true: give up with CANCELLED
    void *user;
};

// What a learner's step came to.
struct learner_result {
    const float *summary; // [summary_values], in `parameters` or the trainer's gradient: valid until the next
                          // step on either
    uint64_t weight;      // samples behind it
    double train_loss;    // mean over the samples seen, each before the step that it took part in
    double train_accuracy; // of the same outputs; NAN when not known
};

// The coordinator's (or, peer to peer, a learner's) re-update after reduction.
struct reupdate_step {
    const void *options;
    const struct training_options *training;
    uint32_t round, rounds;
};

struct algorithm_kind {
    struct kind kind;
    bool trains_nothing; // learners need no trainer, so they hold no more than the model
    // Refuses training options that the algorithm cannot honour; may be NULL.
    enum status (*check_training)(const void *options, const struct training_options *training,
                                  struct error *error);
    // Learner: trains in place on `parameters` [n_parameters], which hold the round's model.
    enum status (*learn)(const struct learner_step *step, float *parameters, struct learner_result *ret,
                         struct error *error);
    // For values [offset, offset + n) of the model: `values` [n] holds the reduced summaries and becomes the
    // next model; `current` [n] is the present one; both point at the range's first. Elementwise, so ranges
    // may be done in any order and by several threads.
    void (*reupdate)(const struct reupdate_step *step, size_t offset, size_t n, const float *current,
                     float *values);
};

extern const struct registry algorithms;

// Loss and accuracy of `parameters` over a part, in batches, in order. Accuracy is NAN for target values.
struct evaluation {
    size_t n_samples;
    double loss;
    double accuracy;
};
enum status evaluate(const struct model *model, struct workspace *workspace, size_t max_batch,
                     const float *parameters, const struct part *part, struct evaluation *ret,
                     struct error *error);
