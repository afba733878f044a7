#include "algorithm/part_gradient.h"
#include "base/kernel.h"
#include "base/memory.h"
#include <string.h>

KERNEL
static void add_weighted(double *restrict sum, const float *restrict gradient, size_t n, double weight)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += weight * (double)gradient[i];
}

KERNEL
static void divide(float *restrict mean, const double *restrict sum, size_t n, double total)
{
    for (size_t i = 0; i < n; i++)
        mean[i] = (float)(sum[i] / total);
}

// One pass over the part.
struct pass {
    const struct learner_step *step;
    const float *parameters;
    struct batch batch;
    float *gradient; // the trainer's: of a batch, in the end of the part
    double *sum;     // sum over the samples so far; NULL when one batch holds them all
    struct tally tally;
};

static enum status add_batch(struct pass *pass, size_t first, size_t n, uint32_t index, struct error *error)
{
    const struct learner_step *step = pass->step;
    if (step->stop && step->stop(step->user))
        return error_set(error, STATUS_CANCELLED, "training was stopped in round %u", step->round);
    batch_load(&pass->batch, step->part, NULL, first, n);
    struct random_key key = {.seed = step->seed,
                             .learner = step->learner,
                             .round = step->round,
                             .step = index,
                             .purpose = RANDOM_DROPOUT};
    struct workspace *workspace = trainer_workspace(step->trainer);
    double loss = model_gradient(step->model, workspace, pass->parameters, pass->batch.features,
                                 &pass->batch.targets, n, key, pass->gradient);
    if (pass->sum)
        add_weighted(pass->sum, pass->gradient, model_layout(step->model)->n_parameters, (double)n);
    tally_add(&pass->tally, step->model, &pass->batch, n, loss, workspace_outputs(workspace));
    return local_check_loss(step, loss, error);
}

static enum status add_batches(struct pass *pass, struct error *error)
{
    size_t n_samples = pass->step->part->n_samples, batch_size = (size_t)pass->step->training->batch_size;
    uint32_t index = 0;
    for (size_t first = 0; first < n_samples; first += batch_size) {
        size_t left = n_samples - first;
        TRY(add_batch(pass, first, left < batch_size ? left : batch_size, index++, error));
    }
    if (pass->sum)
        divide(pass->gradient, pass->sum, model_layout(pass->step->model)->n_parameters, (double)n_samples);
    return STATUS_OK;
}

enum status part_gradient(const struct learner_step *step, const float *parameters,
                          struct learner_result *ret, struct error *error)
{
    TRY(local_check_part(step, error));
    struct pass pass = {.step = step, .parameters = parameters, .gradient = trainer_gradient(step->trainer)};
    size_t batch_size = (size_t)step->training->batch_size,
           n_parameters = model_layout(step->model)->n_parameters;
    TRY(batch_init(&pass.batch, step->part, batch_size, error));
    bool several = step->part->n_samples > batch_size;
    if (several)
        pass.sum = memory_array(n_parameters, sizeof *pass.sum);
    enum status status = several && !pass.sum ? error_no_memory(error, n_parameters * sizeof *pass.sum)
                                              : add_batches(&pass, error);
    if (status == STATUS_OK)
        *ret = (struct learner_result){
            .weight = step->part->n_samples,
            .train_loss = tally_loss(&pass.tally),
            .train_accuracy = tally_accuracy(&pass.tally, pass.batch.targets.type),
        };
    memory_free(pass.sum);
    batch_release(&pass.batch);
    return status;
}

void part_gradient_descend(const struct reupdate_step *step, size_t n, float *gradient, float *parameters)
{
    const struct choice *schedule = &step->training->schedule, *choice = &step->training->optimizer;
    const struct optimizer_kind *optimizer = (const struct optimizer_kind *)choice->kind;
    double rate = optimizer->learning_rate(choice->options);
    if (schedule->kind)
        rate *= ((const struct schedule_kind *)schedule->kind)
                    ->factor(schedule->options, step->round - 1, step->rounds);
    optimizer->step(choice->options, rate, step->round, n, parameters, gradient, NULL, 0);
}

enum status part_gradient_check(const char *algorithm, const struct training_options *training,
                                struct error *error)
{
    const struct optimizer_kind *optimizer = (const struct optimizer_kind *)training->optimizer.kind;
    if (strcmp(optimizer->kind.name, "sgd") != 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "optimizer '%s' does not go with %s, which takes one plain step a round: "
                         "choose sgd, or the algorithm fedavg",
                         optimizer->kind.name, algorithm);
    if (optimizer->n_state_vectors(training->optimizer.options) > 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "sgd with momentum does not go with %s, which takes one plain step a "
                         "round: set momentum to 0, or choose the algorithm fedavg",
                         algorithm);
    if (training->local_epochs != 1)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "local_epochs '%lld' must be 1 with %s, which takes one step a round: set "
                         "more rounds, or choose the algorithm fedavg",
                         (long long)training->local_epochs, algorithm);
    if (training->clip_norm > 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "clip_norm '%g' must be 0 with %s, where no learner sees the gradient of "
                         "the step: set a smaller learning_rate, or choose the algorithm fedavg",
                         training->clip_norm, algorithm);
    return STATUS_OK;
}
