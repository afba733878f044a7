// The mean squared error over all outputs of the batch, as PyTorch's MSELoss: with N = batch * n_outputs,
// loss = sum (x - t)^2 / N; d loss / dx = 2 (x - t) / N. Class labels stand for a row that is 1 at the class
// and 0 elsewhere, as in least squares classification.
#include "nn/loss.h"

static double evaluate(const void *options, size_t batch, size_t n_outputs, const float *outputs,
                       const struct targets *targets, float *ret_gradient)
{
    double sum = 0, share = 1.0 / (double)(batch * n_outputs);
    for (size_t i = 0; i < batch * n_outputs; i++) {
        double t = target_value(targets, n_outputs, i / n_outputs, i % n_outputs);
        double difference = (double)outputs[i] - t;
        sum += difference * difference;
        if (ret_gradient)
            ret_gradient[i] = (float)(2 * difference * share);
    }
    return sum * share;
}

const struct loss_kind loss_mse = {
    .kind = {.name = "mse",
             .help =
                 "Mean squared difference from target values, or from 1 for the class and 0 for the others"},
    .accepts = 1u << TARGET_CLASS | 1u << TARGET_VALUES,
    .evaluate = evaluate,
};
