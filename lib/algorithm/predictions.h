// What algorithms share whose learners exchange predictions instead of parameters: each sends its class
// probabilities p_i(y|x), at a temperature, on probe samples x that all of them have, and the mean of these,
// the consensus, is what is shared. Parameters stay where they are, so architectures may differ.
//
// In a round a learner trains on its own samples; each step's gradient is joined by that of an objective on a
// batch of probe samples, in which the other learners' predictions are those of the round before.
#pragma once

#include "algorithm/local.h"

// The options that they have in common; the first member of their own.
struct prediction_options {
    double temperature;
    int64_t probe_batch;
};

#define PREDICTION_FIELDS                                                                                    \
    {.name = "temperature",                                                                                  \
     .type = FIELD_REAL,                                                                                     \
     .offset = offsetof(struct prediction_options, temperature),                                             \
     .fallback = "1",                                                                                        \
     .above = true,                                                                                          \
     .max = 1000,                                                                                            \
     .help = "Divides the logits before they become exchanged probabilities: above 1 softens them"},         \
    {                                                                                                        \
        .name = "probe_batch", .type = FIELD_INT,                                                            \
        .offset = offsetof(struct prediction_options, probe_batch), .fallback = "64", .min = 1,              \
        .max = 1 << 20, .help = "Probe samples that join each step"                                          \
    }

// Probe samples as this learner predicts them, and as others do.
struct prediction_rows {
    size_t n, n_classes;
    size_t n_mean;       // samples that the objective is a mean over; n, unless the rows are a part of them
    double temperature;  // T
    double share;        // of this learner in the mean of all predictions: one part in so many learners
    const double *p;     // [n, n_classes] softmax(outputs / T)
    const float *others; // [n, n_classes] the others' part of that mean, a row's sum 1 - share; 0: unknown
    const double *marginal; // [n_classes] the mean of p over all n_mean samples
};

struct prediction_objective {
    const void *options; // NULL: there is none, and learners train by themselves
    // Adds the gradient by the outputs [n, n_classes].
    void (*gradient)(const void *options, const struct prediction_rows *rows, float *ret);
    // An addition to the task's own gradient by the outputs; may be NULL.
    void (*amend_outputs)(const void *options, const float *outputs, size_t n, size_t n_classes, float *ret);
};

// Whether the others' predictions of row `i` are known; all of the mean is this learner's own when it is
// alone.
bool prediction_others_known(const struct prediction_rows *rows, size_t i);

// For struct algorithm_kind: refuses models that do not tell classes apart by softmax.
enum status predictions_check_model(const void *options, const struct model *model, struct error *error);
// INVALID_ARGUMENT unless there are probe samples, and not too many of them.
enum status predictions_check_probe(const char *algorithm, const struct algorithm_setting *setting,
                                    struct error *error);

// The marginal of p [n, n_classes].
void predictions_marginal(const double *p, size_t n, size_t n_classes, double *ret);
// p [n, n_classes] of outputs, in double.
void predictions_softmax(const float *outputs, size_t n, size_t n_classes, double temperature, double *ret);
// This learner's probabilities on the probe samples of step->probe, into ret [n_probe, n_classes].
enum status predictions_make(const struct learner_step *step, const float *parameters, double temperature,
                             float *ret, struct error *error);

// For struct algorithm_kind; plan's `algorithm` is the kind's name. A learner owns its parameters, what it
// sent last and in which round.
enum status predictions_plan(const char *algorithm, const struct algorithm_setting *setting,
                             struct algorithm_plan *plan, struct error *error);
void predictions_begin_own(const struct learner_step *step, float *own);
void predictions_own_model(const struct learner_step *step, float *ret_parameters);
// A round: local training with `objective`, whose options begin with struct prediction_options. Every learner
// weighs the same, as the mean over learners is what the objectives are of.
enum status predictions_learn(const struct learner_step *step, const struct prediction_options *options,
                              const struct prediction_objective *objective, struct learner_result *ret,
                              struct error *error);
