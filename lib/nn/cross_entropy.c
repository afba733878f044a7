// Cross entropy of the softmax of the outputs (logits), averaged over the batch, with smoothed targets
// t = (1 - s) onehot + s / n (Szegedy et al. 2016, section 7). For one sample with log-sum-exp L = log sum_j
// exp(x_j):
//     loss = L - sum_j t_j x_j = L - (1 - s) x_target - s mean_j x_j;    d loss / dx_j = softmax(x)_j - t_j
// The largest logit is taken off first, so that nothing overflows; sums are in double.
#include "config/fields.h"
#include "nn/loss.h"
#include <assert.h>
#include <math.h>

struct cross_entropy_options {
    double label_smoothing;
};

static const struct field fields[] = {
    {.name = "label_smoothing",
     .type = FIELD_REAL,
     .offset = offsetof(struct cross_entropy_options, label_smoothing),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "Share of the target's probability that is spread over all classes"},
    {0},
};

struct row {
    double largest;
    double exponents; // sum of exp(x - largest)
    double mean;      // of x - largest
};

static struct row measure(size_t n, const float *x)
{
    struct row row = {.largest = x[0]};
    for (size_t j = 1; j < n; j++)
        row.largest = x[j] > row.largest ? x[j] : row.largest;
    for (size_t j = 0; j < n; j++) {
        row.exponents += exp(x[j] - row.largest);
        row.mean += x[j] - row.largest;
    }
    row.mean /= (double)n;
    return row;
}

static void softmax(struct row row, size_t n, const float *x, double scale, float *ret)
{
    for (size_t j = 0; j < n; j++)
        ret[j] = (float)(scale * exp(x[j] - row.largest) / row.exponents);
}

static double evaluate(const void *loss_options, size_t batch, size_t n, const float *outputs,
                       const struct targets *targets, float *ret_gradient)
{
    double smoothing = ((const struct cross_entropy_options *)loss_options)->label_smoothing;
    double total = 0, share = 1.0 / (double)batch;
    for (size_t i = 0; i < batch; i++) {
        const float *x = outputs + i * n;
        size_t target = (size_t)targets->classes[i];
        assert(target < n);
        struct row row = measure(n, x);
        total += log(row.exponents) - (1 - smoothing) * (x[target] - row.largest) - smoothing * row.mean;
        if (ret_gradient) {
            float *gradient = ret_gradient + i * n;
            softmax(row, n, x, share, gradient);
            for (size_t j = 0; smoothing > 0 && j < n; j++)
                gradient[j] -= (float)(share * smoothing / (double)n);
            gradient[target] -= (float)(share * (1 - smoothing));
        }
    }
    return total * share;
}

static void probabilities(size_t batch, size_t n, const float *outputs, float *ret)
{
    for (size_t i = 0; i < batch; i++)
        softmax(measure(n, outputs + i * n), n, outputs + i * n, 1, ret + i * n);
}

const struct loss_kind loss_cross_entropy = {
    .kind = {.name = "cross_entropy",
             .help = "Of class labels under the softmax of the outputs, which are logits",
             .fields = fields,
             .options_bytes = sizeof(struct cross_entropy_options)},
    .accepts = 1u << TARGET_CLASS,
    .evaluate = evaluate,
    .probabilities = probabilities,
};
