// Fisher-weighted averaging (Matena and Raffel, "Merging models with Fisher-weighted averaging", NeurIPS
// 2022, section 3.1): the next model is, parameter by parameter, the mean of the learners' weighted by how
// much their data tell about it, F_i, the diagonal of the Fisher information,
//   theta_j = sum_i n_i F_ij theta_ij / sum_i n_i F_ij      F_i = mean over samples of (grad log p(y|x))^2
// in which the labels stand for y: the empirical Fisher, of any loss that is a negative log likelihood. Each
// learner's F_i is scaled to a mean of 1 over the parameters, so that one whose loss is small, and with it
// all its gradients, counts no less (the paper's lambda_i, here n_i over that mean).
#include "algorithm/local.h"
#include "base/kernel.h"
#include "base/memory.h"
#include <math.h>

struct fisher_options {
    int64_t samples;
    double floor;
};

static const struct field fields[] = {
    {.name = "samples",
     .type = FIELD_INT,
     .offset = offsetof(struct fisher_options, samples),
     .fallback = "100",
     .max = 1 << 30,
     .help = "Samples of its own, drawn anew each round, from which a learner estimates its Fisher "
             "information; 0 for all"},
    {.name = "floor",
     .type = FIELD_REAL,
     .offset = offsetof(struct fisher_options, floor),
     .fallback = "0.001",
     .min = 1e-6,
     .max = 1,
     .help = "Smallest weight of a parameter, as a share of the learner's mean"},
    {0},
};

// What is sent is the weight times the way from the round's model, and the weight: both near 1 in size, for
// the fixed-point ring.
enum { MOVED, WEIGHT, N_VECTORS };
#define WEIGHT_MAX 1024.0

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_vectors = N_VECTORS;
    return STATUS_OK;
}

KERNEL
static void add_squares(double *restrict sum, const float *restrict gradient, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += (double)gradient[i] * (double)gradient[i];
}

// The sum over `n` samples of `order` of the squared gradient of each one's loss, into `sum` [n_parameters].
static enum status add_samples(const struct learner_step *step, const uint32_t *order, size_t n,
                               struct batch *batch, double *sum, struct error *error)
{
    float *gradient = trainer_gradient(step->trainer);
    for (size_t i = 0; i < n; i++) {
        if (step->stop && step->stop(step->user))
            return error_set(error, STATUS_CANCELLED, "training was stopped in round %u", step->round);
        batch_load(batch, step->part, order, i, 1);
        const struct random_key key = {.seed = step->seed,
                                       .learner = step->learner,
                                       .round = step->round,
                                       .step = (uint32_t)(local_n_steps(step) + i),
                                       .purpose = RANDOM_DROPOUT};
        double loss = model_gradient(step->model, trainer_workspace(step->trainer), step->parameters,
                                     batch->features, &batch->targets, 1, key, gradient);
        TRY(local_check_loss(step, loss, error));
        add_squares(sum, gradient, step->plan->n_values);
    }
    return STATUS_OK;
}

// Samples in an order that no epoch has.
static enum status sum_samples(const struct learner_step *step, double *sum, struct error *error)
{
    const struct fisher_options *options = step->options;
    size_t n = step->part->n_samples;
    cleanup_free uint32_t *order = memory_array(n, sizeof *order);
    struct batch batch;
    if (!order)
        return error_no_memory(error, n * sizeof *order);
    TRY(batch_init(&batch, step->part, 1, error));
    local_order(step, (uint32_t)step->training->local_epochs, order);
    if (options->samples > 0 && n > (size_t)options->samples)
        n = (size_t)options->samples;
    enum status status = add_samples(step, order, n, &batch, sum, error);
    batch_release(&batch);
    return status;
}

// Weights of mean 1 but for the floor and a bound that keeps them within the ring's range.
static void fill_weights(const struct fisher_options *options, const double *sum, size_t n, float *weights)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += sum[i];
    double scale = total > 0 ? (double)n / total : 0;
    for (size_t i = 0; i < n; i++)
        weights[i] = (float)fmin(fmax(sum[i] * scale, options->floor), WEIGHT_MAX);
}

KERNEL
static void fill_moved(float *restrict moved, const float *restrict weights, const float *restrict parameters,
                       const float *restrict shared, size_t n)
{
    for (size_t i = 0; i < n; i++)
        moved[i] = weights[i] * (parameters[i] - shared[i]);
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    size_t n = step->plan->n_values;
    float *moved = step->summary + MOVED * n, *weights = step->summary + WEIGHT * n;
    TRY(local_train(step, step->parameters, NULL, ret, error));
    cleanup_free double *sum = memory_array(n, sizeof *sum);
    if (!sum)
        return error_no_memory(error, n * sizeof *sum);
    TRY(sum_samples(step, sum, error));
    fill_weights(step->options, sum, n, weights);
    fill_moved(moved, weights, step->parameters, step->shared, n);
    return STATUS_OK;
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    for (size_t i = 0; i < n; i++)
        if (reduced[WEIGHT][i] > 0) // lossy codecs may leave nothing of it
            values[0][i] += reduced[MOVED][i] / reduced[WEIGHT][i];
}

const struct algorithm_kind algorithm_fisher = {
    .kind = {.name = "fisher",
             .help =
                 "The mean of the weights, each parameter weighted by what a learner's data tell about it",
             .fields = fields,
             .options_bytes = sizeof(struct fisher_options)},
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
