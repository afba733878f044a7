// Learning by information maximisation: the objectives, of which formulas and sources stand in
// docs/information-maximisation.md. With H the entropy in nats and p_j(y|x) learner j's class probabilities:
//   disagreement  D = E_x [ H(mean_j p_j) - mean_j H(p_j) ], the Jensen-Shannon divergence between learners
//   information   I = H(E_x p_i) - E_x H(p_i), of input and predicted class, within learner i (Bridle,
//                     Heading and MacKay 1991, equation 7; Krause, Perona and Gomes 2010, equation 4)
// Learner i descends alpha D - beta I, in which the others' p_j stand still.
#pragma once

#include "algorithm/predictions.h"

struct information_options {
    struct prediction_options prediction; // first, for PREDICTION_FIELDS
    double alpha, beta, gamma;            // gamma: of the entropy of predictions on own training samples
};

#define INFORMATION_FIELDS                                                                                   \
    {.name = "alpha",                                                                                        \
     .type = FIELD_REAL,                                                                                     \
     .offset = offsetof(struct information_options, alpha),                                                  \
     .fallback = "10",                                                                                       \
     .min = 0,                                                                                               \
     .max = 1e6,                                                                                             \
     .help = "Weight of the disagreement among learners on the probe samples; 0: each learns alone"},        \
        {.name = "beta",                                                                                     \
         .type = FIELD_REAL,                                                                                 \
         .offset = offsetof(struct information_options, beta),                                               \
         .fallback = "0.3",                                                                                  \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .help = "Weight of the information that a learner's predictions hold on the probe samples"},        \
        PREDICTION_FIELDS

// alpha D - beta I, less what does not depend on this learner's predictions: for rows that are all samples.
double information_objective(const struct information_options *options, const struct prediction_rows *rows);
// Adds its gradient by the outputs. `options` is a struct information_options. With p = softmax(z / T), q the
// mean of all learners' and m the marginal, both terms' are sums of
//   d/dz_k = f p_k (log p_k/r_k - sum_l p_l log p_l/r_l) / T,  f = share / n for r = q, 1 / n for r = m.
void information_gradient(const void *options, const struct prediction_rows *rows, float *ret);

// The entropy-maximising term, -gamma H(p(y|x)) on training samples (Pereyra et al. 2017, "Regularizing
// neural networks by penalizing confident output distributions", equation 2): adds its gradient by the
// outputs, gamma p_k (log p_k + H(p)) / n.
void information_penalise_confidence(const void *options, const float *outputs, size_t n, size_t n_classes,
                                     float *ret);
