// The mean squared error over all outputs of the batch, as PyTorch's MSELoss: with N = batch * n_outputs,
// loss = sum (x - t)^2 / N; d loss / dx = 2 (x - t) / N.
#include "nn/loss.h"

static double evaluate(const void *options, size_t batch, size_t n_outputs, const float *outputs,
                       const struct targets *targets, float *ret_gradient)
{
    size_t n = batch * n_outputs;
    double sum = 0, share = 1.0 / (double)n;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)outputs[i] - (double)targets->values[i];
        sum += difference * difference;
        if (ret_gradient)
            ret_gradient[i] = (float)(2 * difference * share);
    }
    return sum * share;
}

const struct loss_kind loss_mse = {
    .kind = {.name = "mse", .help = "Mean squared difference from target values"},
    .accepts = 1u << TARGET_VALUES,
    .evaluate = evaluate,
};
