// Distributed collaborative learning: gradient descent within a group of learners, information maximisation
// among groups. Learner i belongs to group i mod G, which is one collaborator whose data lies in shards: its
// model theta_g takes one step a round along the mean gradient, weighted by samples, of
//   task loss + alpha D - beta I
// with D and I those of infomax (algorithm/information.h) among the groups' predictions on the probe samples:
//   theta_g <- theta_g - eta sum_{i in g} (n_i / n_g) grad J_i(theta_g)
// What is shared are blocks, one a group: theta_g and its predictions at the start of the last round. A
// summary has the learner's gradient and predictions in its group's block and zeros in others', and an
// indicator of each group; the mean of indicators is n_g / n, by which a block's mean is divided.
#include "algorithm/information.h"
#include "algorithm/part_gradient.h"
#include "base/kernel.h"
#include "base/memory.h"
#include <string.h>

struct distributed_options {
    struct information_options information; // first, for INFORMATION_FIELDS
    int64_t groups;
};

static const struct field fields[] = {
    INFORMATION_FIELDS,
    {.name = "groups",
     .type = FIELD_INT,
     .offset = offsetof(struct distributed_options, groups),
     .fallback = "1",
     .min = 1,
     .max = ALGORITHM_SCALARS_MAX,
     .help = "Groups of learners: learner i is in number i mod groups. Learners of one group have one model"},
    {0},
};

// ---- lengths --------------------------------------------------------------------------------------------

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    size_t n_parameters = model_layout(setting->model)->n_parameters;
    TRY(predictions_check_probe("distributed_collaborative", setting, error));
    const struct distributed_options *options = setting->options;
    if (options->groups > setting->n_learners)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "groups '%lld' must be at most %u, the number of learners; lower it",
                         (long long)options->groups, setting->n_learners);
    plan->n_scalars = (unsigned int)options->groups;
    plan->shares = SHARES_VALUES;
    plan->n_values = plan->n_scalars * (n_parameters + setting->n_probe * model_n_outputs(setting->model));
    return STATUS_OK;
}

// A group's part of the shared vector or of a summary: parameters or their gradient, then predictions.
struct block {
    size_t number, n_groups;
    size_t first, n, n_parameters; // in the vector; values; of them parameters
};

static struct block block_of(const struct learner_step *step)
{
    const struct algorithm_plan *plan = step->plan;
    size_t n = plan->n_values / plan->n_scalars, number = step->learner % plan->n_scalars;
    return (struct block){number, plan->n_scalars, number * n, n, model_layout(step->model)->n_parameters};
}

static void begin(const struct algorithm_setting *setting, const struct algorithm_plan *plan, float *values)
{
    for (size_t i = 0; i < plan->n_scalars; i++)
        model_init(setting->model, setting->seed, values + i * (plan->n_values / plan->n_scalars));
}

static void own_model(const struct learner_step *step, float *ret_parameters)
{
    const struct block block = block_of(step);
    memcpy(ret_parameters, step->shared + block.first, block.n_parameters * sizeof(float));
}

// ---- the learner's half ---------------------------------------------------------------------------------

// The gradient of alpha D - beta I over all probe samples.
struct probing {
    const struct learner_step *step;
    struct block block;
    size_t n_classes, capacity;
    struct batch batch;
    float *others;          // [n_probe, n_classes]
    double *p, *marginal;   // [capacity, n_classes], [n_classes]
    float *output_gradient; // [capacity, n_classes]
    float *gradient;        // [n_parameters] of a batch
    float *sum;             // [n_parameters], the trainer's
};

// The other groups' part of the mean of all, rows of 1 - 1 / G; zeros where none has predicted yet.
static void find_others(struct probing *probing)
{
    const struct block *block = &probing->block;
    double rest = 1 - 1 / (double)block->n_groups;
    size_t n = block->n - block->n_parameters;
    for (size_t g = 0; g < block->n_groups; g++)
        for (size_t i = 0; i < n && g != block->number; i++)
            probing->others[i] += probing->step->shared[g * block->n + block->n_parameters + i];
    for (size_t i = 0; i < n; i += probing->n_classes) {
        double sum = 0;
        for (size_t k = i; k < i + probing->n_classes; k++)
            sum += (double)probing->others[k];
        for (size_t k = i; k < i + probing->n_classes && sum > 0; k++)
            probing->others[k] = (float)((double)probing->others[k] * rest / sum);
    }
}

KERNEL
static void add(float *restrict sum, const float *restrict gradient, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += gradient[i];
}

static void probe_batch(struct probing *probing, size_t first, size_t n)
{
    const struct learner_step *step = probing->step;
    const struct information_options *options = step->options;
    struct workspace *workspace = trainer_workspace(step->trainer);
    struct random_key key = {.seed = step->seed,
                             .learner = (uint32_t)probing->block.number, // the same for a whole group
                             .round = step->round,
                             .step = UINT32_C(1) << 31 | (uint32_t)first,
                             .purpose = RANDOM_DROPOUT};
    batch_load(&probing->batch, step->probe, NULL, first, n);
    const float *outputs =
        model_forward_training(step->model, workspace, step->parameters, probing->batch.features, n, key);
    predictions_softmax(outputs, n, probing->n_classes, options->prediction.temperature, probing->p);
    const struct prediction_rows rows = {.n = n,
                                         .n_classes = probing->n_classes,
                                         .n_mean = step->probe->n_samples,
                                         .temperature = options->prediction.temperature,
                                         .share = 1 / (double)probing->block.n_groups,
                                         .p = probing->p,
                                         .others = probing->others + first * probing->n_classes,
                                         .marginal = probing->marginal};
    memset(probing->output_gradient, 0, n * probing->n_classes * sizeof(float));
    information_gradient(options, &rows, probing->output_gradient);
    model_backward(step->model, workspace, step->parameters, n, probing->output_gradient, probing->gradient);
    add(probing->sum, probing->gradient, probing->block.n_parameters);
}

// `predictions` [n_probe, n_classes] are this group's present ones; I's marginal is theirs.
static enum status probe_batches(struct probing *probing, const float *predictions, struct error *error)
{
    const struct learner_step *step = probing->step;
    size_t n_probe = step->probe->n_samples, row = probing->n_classes;
    for (size_t i = 0; i < n_probe * row; i++)
        probing->marginal[i % row] += (double)predictions[i] / (double)n_probe;
    find_others(probing);
    for (size_t first = 0; first < n_probe; first += probing->capacity) {
        size_t left = n_probe - first;
        if (step->stop && step->stop(step->user))
            return error_set(error, STATUS_CANCELLED, "training was stopped in round %u", step->round);
        probe_batch(probing, first, left < probing->capacity ? left : probing->capacity);
    }
    return STATUS_OK;
}

static enum status add_probe_gradient(const struct learner_step *step, const float *predictions,
                                      struct error *error)
{
    struct probing probing = {.step = step,
                              .block = block_of(step),
                              .n_classes = model_n_outputs(step->model),
                              .capacity = (size_t)step->training->batch_size,
                              .sum = trainer_gradient(step->trainer)};
    size_t n = probing.capacity * probing.n_classes;
    TRY(batch_init(&probing.batch, step->probe, probing.capacity, error));
    probing.others = memory_floats(step->probe->n_samples * probing.n_classes);
    probing.p = memory_array(n, sizeof *probing.p);
    probing.marginal = memory_array(probing.n_classes, sizeof *probing.marginal);
    probing.output_gradient = memory_floats(n);
    probing.gradient = memory_floats(probing.block.n_parameters);
    bool made =
        probing.others && probing.p && probing.marginal && probing.output_gradient && probing.gradient;
    enum status status = made ? probe_batches(&probing, predictions, error)
                              : error_no_memory(error, (n + probing.block.n_parameters) * sizeof(float));
    batch_release(&probing.batch);
    memory_free(probing.others);
    memory_free(probing.p);
    memory_free(probing.marginal);
    memory_free(probing.output_gradient);
    memory_free(probing.gradient);
    return status;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct information_options *options = step->options;
    const struct block block = block_of(step);
    float *mine = step->summary + block.first;
    memcpy(step->parameters, step->shared + block.first, block.n_parameters * sizeof(float));
    memset(step->summary, 0, plan_summary_values(step->plan) * sizeof(float));
    TRY(part_gradient(step, step->parameters, ret, error));
    TRY(predictions_make(step, step->parameters, options->prediction.temperature, mine + block.n_parameters,
                         error));
    if (options->alpha > 0 || options->beta > 0)
        TRY(add_probe_gradient(step, mine + block.n_parameters, error));
    memcpy(mine, trainer_gradient(step->trainer), block.n_parameters * sizeof(float));
    step->summary[step->plan->n_values + block.number] = 1;
    return STATUS_OK;
}

// ---- the coordinator's half -----------------------------------------------------------------------------

KERNEL
static void divide(float *restrict values, size_t n, float by)
{
    for (size_t i = 0; i < n; i++)
        values[i] /= by;
}

// [0, n) lies in one block, and in its parameters or in its predictions. A group that nobody was of in this
// round stays as it is.
static void reupdate_run(const struct reupdate_step *step, size_t group, bool parameters, size_t n,
                         float *reduced, float *values)
{
    if (!(step->scalars[group] > 0))
        return;
    divide(reduced, n, step->scalars[group]);
    if (parameters)
        part_gradient_descend(step, n, reduced, values);
    else
        memcpy(values, reduced, n * sizeof *values);
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    size_t block = step->plan->n_values / step->plan->n_scalars;
    size_t n_parameters = model_layout(step->model)->n_parameters;
    for (size_t done = 0; done < n;) {
        size_t at = (offset + done) % block;
        size_t run = at < n_parameters ? n_parameters - at : block - at;
        run = run < n - done ? run : n - done;
        reupdate_run(step, (offset + done) / block, at < n_parameters, run, reduced[0] + done,
                     values[0] + done);
        done += run;
    }
}

static enum status check_training(const void *options, const struct training_options *training,
                                  struct error *error)
{
    return part_gradient_check("distributed_collaborative", training, error);
}

const struct algorithm_kind algorithm_distributed_collaborative = {
    .kind = {.name = "distributed_collaborative",
             .help = "Groups of learners descend gradients together, and agree with other groups on probe "
                     "samples as in infomax",
             .fields = fields,
             .options_bytes = sizeof(struct distributed_options)},
    .own_models = true,
    .needs_probe = true,
    .check_training = check_training,
    .check_model = predictions_check_model,
    .plan = plan,
    .begin = begin,
    .learn = learn,
    .own_model = own_model,
    .reupdate = reupdate,
};
