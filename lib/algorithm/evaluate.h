// How good parameters are on samples.
#pragma once

#include "data/dataset.h"
#include "nn/model.h"

struct evaluation {
    size_t n_samples;
    double loss;     // mean over the samples
    double accuracy; // NAN for target values
};

// Loss and accuracy of `parameters` over a part, in batches, in order.
enum status evaluate(const struct model *model, struct workspace *workspace, size_t max_batch,
                     const float *parameters, const struct part *part, struct evaluation *ret,
                     struct error *error);
