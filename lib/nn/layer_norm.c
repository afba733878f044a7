// Layer normalization over all values of a sample (Ba, Kiros, Hinton 2016, eq. 4), as PyTorch's LayerNorm
// with the sample's shape: h = (x - mean) r, r = 1 / sqrt(variance + epsilon) with the biased variance, y = w
// h + b. With d = w dy: dx = r (d - mean d - h mean(d h)); dw = sum over the batch of dy h; db = sum of dy.
#include "base/kernel.h"
#include "config/fields.h"
#include "nn/layer.h"
#include <math.h>

struct layer_norm_options {
    double epsilon;
};

static const struct field fields[] = {
    {.name = "epsilon",
     .type = FIELD_REAL,
     .offset = offsetof(struct layer_norm_options, epsilon),
     .fallback = "1e-5",
     .min = 0,
     .max = 1,
     .above = true,
     .help = "Added to the variance, so that equal values do not divide by zero"},
    {0},
};

enum { WEIGHT, BIAS };
enum { MEAN, SCALE, N_STATISTICS }; // in scratch
enum { LANES = 8 };

static enum status plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    *ret = (struct layer_plan){
        .input = *input,
        .output = *input,
        .n_tensors = 2,
        .tensors = {{"weight", *input}, {"bias", *input}},
        .scratch_floats = N_STATISTICS,
    };
    return STATUS_OK;
}

static void init(const void *options, const struct layer_plan *plan, unsigned int index,
                 struct random *random, float *values)
{
    size_t n = shape_size(&plan->input);
    for (size_t i = 0; i < n; i++)
        values[i] = index == WEIGHT ? 1 : 0;
}

static double add_lanes(const double lanes[LANES])
{
    double sum = 0;
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

// Sums in lanes: the order of additions is fixed, whatever the vector width.
KERNEL static double sum_of(size_t n, const float *restrict x)
{
    double lanes[LANES] = {0};
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += (double)x[i];
    return add_lanes(lanes);
}

KERNEL static double squares_of(size_t n, const float *restrict x, double mean)
{
    double lanes[LANES] = {0};
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += ((double)x[i + j] - mean) * ((double)x[i + j] - mean);
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return add_lanes(lanes);
}

KERNEL static double products_of(size_t n, const float *restrict x, const float *restrict y)
{
    double lanes[LANES] = {0};
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j] * (double)y[i + j];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += (double)x[i] * (double)y[i];
    return add_lanes(lanes);
}

KERNEL static void normalize(size_t n, float mean, float scale, const float *restrict w,
                             const float *restrict b, const float *restrict x, float *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = w[i] * ((x[i] - mean) * scale) + b[i];
}

static void forward(const struct layer_pass *pass)
{
    size_t n = shape_size(&pass->plan->input);
    double epsilon = ((const struct layer_norm_options *)pass->options)->epsilon;
    for (size_t i = 0; i < pass->batch; i++) {
        const float *x = pass->input + i * n;
        double mean = sum_of(n, x) / (double)n, variance = squares_of(n, x, mean) / (double)n;
        float *statistics = pass->scratch + i * N_STATISTICS;
        statistics[MEAN] = (float)mean;
        statistics[SCALE] = (float)(1 / sqrt(variance + epsilon));
        normalize(n, statistics[MEAN], statistics[SCALE], pass->tensors[WEIGHT], pass->tensors[BIAS], x,
                  pass->output + i * n);
    }
}

KERNEL static void add_tensor_gradients(size_t n, float mean, float scale, const float *restrict x,
                                        const float *restrict dy, float *restrict dw, float *restrict db)
{
    for (size_t i = 0; i < n; i++) {
        dw[i] += dy[i] * ((x[i] - mean) * scale);
        db[i] += dy[i];
    }
}

KERNEL static void weigh(size_t n, const float *restrict w, const float *restrict dy, float *restrict d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = w[i] * dy[i];
}

// From d to dx in place; `along` is the mean of d h.
KERNEL static void chain(size_t n, float mean, float scale, float mean_d, float along,
                         const float *restrict x, float *restrict d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = scale * (d[i] - mean_d - (x[i] - mean) * scale * along);
}

static void input_gradient(const struct layer_pass *pass, size_t n, size_t sample)
{
    const float *x = pass->input + sample * n, *statistics = pass->scratch + sample * N_STATISTICS;
    float *d = pass->input_gradient + sample * n;
    weigh(n, pass->tensors[WEIGHT], pass->output_gradient + sample * n, d);
    double sum = sum_of(n, d), mean = (double)statistics[MEAN], scale = (double)statistics[SCALE];
    double along = (products_of(n, d, x) - mean * sum) * scale / (double)n;
    chain(n, statistics[MEAN], statistics[SCALE], (float)(sum / (double)n), (float)along, x, d);
}

static void backward(const struct layer_pass *pass)
{
    size_t n = shape_size(&pass->plan->input);
    float *dw = pass->tensor_gradients[WEIGHT], *db = pass->tensor_gradients[BIAS];
    for (size_t i = 0; i < n; i++)
        dw[i] = db[i] = 0;
    for (size_t i = 0; i < pass->batch; i++) {
        const float *statistics = pass->scratch + i * N_STATISTICS;
        add_tensor_gradients(n, statistics[MEAN], statistics[SCALE], pass->input + i * n,
                             pass->output_gradient + i * n, dw, db);
        if (pass->input_gradient)
            input_gradient(pass, n, i);
    }
}

const struct layer_kind layer_layer_norm = {
    .kind = {.name = "layer_norm",
             .help = "Brings each sample's values to mean 0 and variance 1, then scales and shifts each",
             .fields = fields,
             .options_bytes = sizeof(struct layer_norm_options)},
    .plan = plan,
    .init = init,
    .forward = forward,
    .backward = backward,
};
