#include "algorithm/information.h"
#include <float.h>
#include <math.h>

static double logarithm(double p)
{
    return log(fmax(p, DBL_MIN));
}

static double entropy(const double *p, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum -= p[k] * logarithm(p[k]);
    return sum;
}

// sum_k p_k log p_k / r_k, with r_k = scale p_k + others_k, or r_k = others_k of the marginal.
static double mean_of_all(const struct prediction_rows *rows, size_t i, size_t k)
{
    size_t at = i * rows->n_classes + k;
    return (double)rows->others[at] + rows->share * rows->p[at];
}

static double entropy_of_all(const struct prediction_rows *rows, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < rows->n_classes; k++) {
        double q = mean_of_all(rows, i, k);
        sum -= q * logarithm(q);
    }
    return sum;
}

double information_objective(const struct information_options *options, const struct prediction_rows *rows)
{
    double disagreement = 0, own = 0, n = (double)rows->n_mean;
    for (size_t i = 0; i < rows->n; i++) {
        double h = entropy(rows->p + i * rows->n_classes, rows->n_classes);
        own += h / n;
        if (prediction_others_known(rows, i))
            disagreement += (entropy_of_all(rows, i) - rows->share * h) / n;
    }
    double information = entropy(rows->marginal, rows->n_classes) - own;
    return options->alpha * disagreement - options->beta * information;
}

void information_gradient(const void *algorithm_options, const struct prediction_rows *rows, float *ret)
{
    const struct information_options *options = algorithm_options;
    double scale = 1 / ((double)rows->n_mean * rows->temperature);
    for (size_t i = 0; i < rows->n; i++) {
        const double *p = rows->p + i * rows->n_classes;
        float *out = ret + i * rows->n_classes;
        double alpha = prediction_others_known(rows, i) ? options->alpha * rows->share : 0, mean = 0;
        // What the log-ratios come to under the weights; less their mean, a gradient by the logits.
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < rows->n_classes; k++) {
                double log_p = logarithm(p[k]);
                double slope = alpha > 0 ? alpha * (log_p - logarithm(mean_of_all(rows, i, k))) : 0;
                slope -= options->beta * (log_p - logarithm(rows->marginal[k]));
                if (pass == 0)
                    mean += p[k] * slope;
                else
                    out[k] += (float)(scale * p[k] * (slope - mean));
            }
    }
}

void information_penalise_confidence(const void *algorithm_options, const float *outputs, size_t n,
                                     size_t n_classes, float *ret)
{
    const struct information_options *options = algorithm_options;
    for (size_t i = 0; i < n; i++, outputs += n_classes, ret += n_classes) {
        double largest = (double)outputs[0], sum = 0, h = 0;
        for (size_t k = 1; k < n_classes; k++)
            largest = fmax(largest, (double)outputs[k]);
        for (size_t k = 0; k < n_classes; k++)
            sum += exp((double)outputs[k] - largest);
        double log_sum = log(sum) + largest;
        for (size_t k = 0; k < n_classes; k++)
            h -= exp((double)outputs[k] - log_sum) * ((double)outputs[k] - log_sum);
        for (size_t k = 0; k < n_classes; k++) {
            double log_p = (double)outputs[k] - log_sum;
            ret[k] += (float)(options->gamma * exp(log_p) * (log_p + h) / (double)n);
        }
    }
}
