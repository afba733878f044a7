// Linear regression in closed form, in one exchange (sufficient statistics: Hastie, Tibshirani and Friedman,
// "The elements of statistical learning", 2nd edition 2009, equations 3.41 to 3.44; over parts of the data:
// Chu et al., "Map-reduce for machine learning on multicore", NeurIPS 2006, section 4.1). With x a sample's
// values, and a 1 for the intercept, and y its targets, learners send the means of x x' and x y' over their
// samples; the mean of those by samples, A and B, is everyone's. The next model solves
//   (A + lambda I) w = B,
// I without the intercept, which makes mean |y - w'x|^2 + lambda |w|^2 over all the data smallest.
#include "algorithm/cholesky.h"
#include "algorithm/local.h"
#include "base/memory.h"
#include "nn/blas.h"
#include "nn/loss.h"
#include <math.h>
#include <string.h>

struct linear_regression_options {
    double lambda;
};

static const struct field fields[] = {
    {.name = "lambda",
     .type = FIELD_REAL,
     .offset = offsetof(struct linear_regression_options, lambda),
     .fallback = "0.001",
     .max = 1e6,
     .help =
         "Weight of the squared weights beside the mean squared error, which ridge regression makes small "
         "with it; 0 for least squares, which needs features that do not determine each other"},
    {0},
};

// Statistics are float, so a feature that others determine but for this share of its square is not told from
// one that they determine.
#define TOLERANCE 1e-6
// Beyond it a mean leaves the fixed-point ring (reduce/ring.h).
#define STATISTIC_MAX 0x1p15

struct sizes {
    size_t n_inputs, n_outputs;
    size_t n_terms; // of x: the inputs, and 1 for the intercept
    size_t width;   // of x and y
};

static struct sizes sizes_of(const struct model *model)
{
    const struct layout *layout = model_layout(model);
    const size_t *extents = layout->tensors[0].shape.extents; // weight: [n_outputs, n_inputs]
    size_t n_terms = extents[1] + (layout->n_tensors > 1);
    return (struct sizes){extents[1], extents[0], n_terms, n_terms + extents[0]};
}

static enum status check_model(const void *options, const struct model *model, struct error *error)
{
    if (model_is_least_squares(model))
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "linear_regression needs a model of one dense layer without activation and the loss mse; "
        "make the model that, or choose another algorithm");
}

// Rows of x by (x, y) from the diagonal on, back to back.
static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    struct sizes sizes = sizes_of(setting->model);
    plan->n_sent = sizes.n_terms * (sizes.n_terms + 1) / 2 + sizes.n_terms * sizes.n_outputs;
    return STATUS_OK;
}

// ---- the learner ----------------------------------------------------------------------------------------

struct pass {
    const struct learner_step *step;
    struct sizes sizes;
    struct batch batch;
    double *rows; // [batch, width]: x and y of each sample
    double *sums; // [width, width], the upper triangle: of products
};

static void fill_row(const struct pass *pass, size_t sample)
{
    const struct sizes *sizes = &pass->sizes;
    double *row = pass->rows + sample * sizes->width;
    for (size_t i = 0; i < sizes->n_inputs; i++)
        row[i] = (double)pass->batch.features[sample * sizes->n_inputs + i];
    if (sizes->n_terms > sizes->n_inputs)
        row[sizes->n_inputs] = 1;
    for (size_t i = 0; i < sizes->n_outputs; i++)
        row[sizes->n_terms + i] = target_value(&pass->batch.targets, sizes->n_outputs, sample, i);
}

static enum status add_batches(struct pass *pass, size_t batch_size, struct error *error)
{
    const struct learner_step *step = pass->step;
    size_t n_samples = step->part->n_samples;
    for (size_t first = 0; first < n_samples; first += batch_size) {
        size_t n = n_samples - first < batch_size ? n_samples - first : batch_size;
        if (step->stop && step->stop(step->user))
            return error_set(error, STATUS_CANCELLED, "training was stopped in round %u", step->round);
        batch_load(&pass->batch, step->part, NULL, first, n);
        for (size_t i = 0; i < n; i++)
            fill_row(pass, i);
        blas_add_products(pass->sizes.width, n, pass->rows, pass->sums);
    }
    return STATUS_OK;
}

static enum status fill_summary(const struct pass *pass, struct error *error)
{
    const struct sizes *sizes = &pass->sizes;
    float *at = pass->step->summary;
    for (size_t i = 0; i < sizes->n_terms; i++)
        for (size_t j = i; j < sizes->width; j++) {
            double mean = pass->sums[i * sizes->width + j] / (double)pass->step->part->n_samples;
            if (!(fabs(mean) < STATISTIC_MAX))
                return error_set(
                    error, STATUS_OUT_OF_RANGE,
                    "a product of two features, or of a feature and a target, of learner '%u' is "
                    "'%g' in the mean, too large to be exchanged exactly: scale features and "
                    "targets to sizes near 1",
                    pass->step->learner, mean);
            *at++ = (float)mean;
        }
    return STATUS_OK;
}

static enum status run_pass(struct pass *pass, struct error *error)
{
    size_t batch_size = (size_t)pass->step->training->batch_size, width = pass->sizes.width;
    size_t n_rows = batch_size < pass->step->part->n_samples ? batch_size : pass->step->part->n_samples;
    cleanup_free double *rows = memory_array(n_rows, width * sizeof *rows);
    cleanup_free double *sums = memory_array(width, width * sizeof *sums);
    if (!rows || !sums)
        return error_no_memory(error, (n_rows + width) * width * sizeof *sums);
    pass->rows = rows;
    pass->sums = sums;
    TRY(batch_init(&pass->batch, pass->step->part, batch_size, error));
    enum status status = add_batches(pass, batch_size, error);
    batch_release(&pass->batch);
    return status == STATUS_OK ? fill_summary(pass, error) : status;
}

// The loss told is that of the round's model, before the exchange.
static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    struct pass pass = {.step = step, .sizes = sizes_of(step->model)};
    struct evaluation evaluation;
    TRY(local_check_part(step, error));
    TRY(evaluate(step->model, trainer_workspace(step->trainer), (size_t)step->training->batch_size,
                 step->parameters, step->part, &evaluation, error));
    TRY(run_pass(&pass, error));
    *ret = (struct learner_result){.weight = step->part->n_samples,
                                   .train_loss = evaluation.loss,
                                   .train_accuracy = evaluation.accuracy};
    return STATUS_OK;
}

// ---- the coordinator ------------------------------------------------------------------------------------

// From the packed rows: the lower triangle of A + lambda I into `a` [n_terms, n_terms], and B' into `b`
// [n_outputs, n_terms].
static void unpack(const struct sizes *sizes, double lambda, const float *statistics, double *a, double *b)
{
    size_t n = sizes->n_terms;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++)
            a[j * n + i] = (double)*statistics++;
        for (size_t k = 0; k < sizes->n_outputs; k++)
            b[k * n + i] = (double)*statistics++;
        if (i < sizes->n_inputs)
            a[i * n + i] += lambda;
    }
}

static enum status resolve(const struct reupdate_step *step, float *const *reduced, float *const *values,
                           struct error *error)
{
    const struct linear_regression_options *options = step->options;
    struct sizes sizes = sizes_of(step->model);
    size_t n = sizes.n_terms;
    cleanup_free double *a = memory_array(n, n * sizeof *a);
    cleanup_free double *b = memory_array(sizes.n_outputs, n * sizeof *b);
    if (!a || !b)
        return error_no_memory(error, (n + sizes.n_outputs) * n * sizeof *a);
    unpack(&sizes, options->lambda, reduced[0], a, b);
    size_t bad = cholesky_factor(a, n, TOLERANCE);
    if (bad < n)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "feature '%zu' is determined by those before it, so that least squares has no one "
                         "solution: set lambda above '%g'",
                         bad + 1, options->lambda);
    for (size_t k = 0; k < sizes.n_outputs; k++) {
        double *solution = b + k * n;
        cholesky_solve(a, n, solution);
        for (size_t i = 0; i < sizes.n_inputs; i++)
            values[0][k * sizes.n_inputs + i] = (float)solution[i];
        if (n > sizes.n_inputs)
            values[0][sizes.n_outputs * sizes.n_inputs + k] = (float)solution[sizes.n_inputs];
    }
    return STATUS_OK;
}

const struct algorithm_kind algorithm_linear_regression = {
    .kind = {.name = "linear_regression",
             .help = "Exact linear regression in one round, from learners' sums of products",
             .fields = fields,
             .options_bytes = sizeof(struct linear_regression_options)},
    .check_model = check_model,
    .plan = plan,
    .learn = learn,
    .resolve = resolve,
};
