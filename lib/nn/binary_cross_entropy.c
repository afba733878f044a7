// Cross entropy of each output's logistic function by itself, averaged over all outputs of the batch, as
// PyTorch's BCEWithLogitsLoss: with N = batch * n_outputs and targets t in [0, 1],
//     loss = sum (max(x, 0) - x t + log(1 + exp -|x|)) / N;    d loss / dx = (sigmoid x - t) / N.
// Class labels stand for a row that is 1 at the class and 0 elsewhere, one against the rest; for a single
// output, of two classes, the label itself is the target.
#include "nn/loss.h"
#include <math.h>

static double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static double evaluate(const void *options, size_t batch, size_t n_outputs, const float *outputs,
                       const struct targets *targets, float *ret_gradient)
{
    double sum = 0, share = 1.0 / (double)(batch * n_outputs);
    for (size_t i = 0; i < batch; i++) {
        for (size_t j = 0; j < n_outputs; j++) {
            double x = (double)outputs[i * n_outputs + j], t = target_value(targets, n_outputs, i, j);
            sum += fmax(x, 0) - x * t + log1p(exp(-fabs(x)));
            if (ret_gradient)
                ret_gradient[i * n_outputs + j] = (float)((sigmoid(x) - t) * share);
        }
    }
    return sum * share;
}

static void probabilities(size_t batch, size_t n_outputs, const float *outputs, float *ret)
{
    for (size_t i = 0; i < batch * n_outputs; i++)
        ret[i] = (float)sigmoid((double)outputs[i]);
}

const struct loss_kind loss_binary_cross_entropy = {
    .kind = {.name = "binary_cross_entropy",
             .help = "Of each output by itself under the logistic function; outputs are logits"},
    .accepts = 1u << TARGET_CLASS | 1u << TARGET_VALUES,
    .two_by_one = true,
    .evaluate = evaluate,
    .probabilities = probabilities,
};
