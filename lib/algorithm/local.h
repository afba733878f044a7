// Local training, which many algorithms share: epochs of shuffled mini-batches on a learner's own part.
#pragma once

#include "algorithm/algorithm.h"
#include "algorithm/batch.h"

// Passes over samples, added up: mean loss and share of rightly classed ones.
struct tally {
    size_t n_samples, n_correct;
    double loss; // sum over the samples
};

// Adds a batch of `n` samples with mean loss `loss` and `outputs` (NULL: not looked at, accuracy will be
// NAN).
void tally_add(struct tally *tally, const struct model *model, const struct batch *batch, size_t n,
               double loss, const float *outputs);
double tally_loss(const struct tally *tally);
double tally_accuracy(const struct tally *tally, enum target_type targets);

// The learner's step must have samples, and its loss must stay finite; else an error with what to do.
enum status local_check_part(const struct learner_step *step, struct error *error);
enum status local_check_loss(const struct learner_step *step, double loss, struct error *error);
// The whole summary must be finite: for algorithms whose learners keep something of what they send.
enum status local_check_summary(const struct learner_step *step, struct error *error);
// The same of parameters [n_parameters] that are about to be kept.
enum status local_check_parameters(const struct learner_step *step, const float *parameters,
                                   struct error *error);

// The order of the samples in `epoch` (from 0) of the step's round: a pure function of seed, learner, round
// and epoch (docs/reproducibility.md).
void local_order(const struct learner_step *step, uint32_t epoch, uint32_t *ret_order);

// Steps of one round: epochs times batches.
uint64_t local_n_steps(const struct learner_step *step);

// What an algorithm adds to a batch's gradient before the step is taken, such as a proximal term.
struct local_amendment {
    void (*amend)(void *user, const float *parameters, float *gradient, size_t n_parameters); // may be NULL
    void *user;
    // Adds to the gradient of the mean loss by the batch's outputs [n, n_outputs]; may be NULL.
    void (*amend_outputs)(void *user, const float *outputs, size_t n, float *output_gradient);
};

// Trains in place on `parameters`: training.local_epochs epochs of batches of training.batch_size, the last
// one of an epoch with what is left. The optimizer starts afresh; the schedule runs over all rounds' steps.
// Fills the result's losses and weight. `amendment` NULL: plain. CANCELLED soon after step->stop says so.
enum status local_train(const struct learner_step *step, float *parameters,
                        const struct local_amendment *amendment, struct learner_result *ret,
                        struct error *error);
