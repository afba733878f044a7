#include "algorithm/local.h"
#include "base/memory.h"
#include <math.h>

void tally_add(struct tally *tally, const struct model *model, const struct batch *batch, size_t n,
               double loss, const float *outputs)
{
    tally->n_samples += n;
    tally->loss += loss * (double)n;
    if (!outputs || batch->targets.type != TARGET_CLASS)
        return;
    for (size_t i = 0; i < n; i++)
        tally->n_correct +=
            model_class(model, outputs + i * model_n_outputs(model)) == batch->targets.classes[i];
}

double tally_loss(const struct tally *tally)
{
    return tally->loss / (double)tally->n_samples;
}

double tally_accuracy(const struct tally *tally, enum target_type targets)
{
    return targets == TARGET_CLASS ? (double)tally->n_correct / (double)tally->n_samples : (double)NAN;
}

enum status local_check_part(const struct learner_step *step, struct error *error)
{
    if (step->part->n_samples > 0)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED_PRECONDITION,
                     "learner '%u' has no samples: give it data, or leave it out of the experiment",
                     step->learner);
}

enum status local_check_loss(const struct learner_step *step, double loss, struct error *error)
{
    if (isfinite(loss))
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "the training loss of learner '%u' became '%g' in round %u: set a smaller learning_rate, or "
        "clip_norm",
        step->learner, loss, step->round);
}

static enum status check_finite(const struct learner_step *step, const char *what, const float *values,
                                size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "value %zu of the %s of learner '%u' became '%g' in round %u: set a smaller "
                             "learning_rate, or clip_norm",
                             i, what, step->learner, (double)values[i], step->round);
    return STATUS_OK;
}

enum status local_check_summary(const struct learner_step *step, struct error *error)
{
    return check_finite(step, "summary", step->summary, plan_summary_values(step->plan), error);
}

enum status local_check_parameters(const struct learner_step *step, const float *parameters,
                                   struct error *error)
{
    return check_finite(step, "parameters", parameters, model_layout(step->model)->n_parameters, error);
}

void local_order(const struct learner_step *step, uint32_t epoch, uint32_t *ret_order)
{
    struct random random = random_open((struct random_key){.seed = step->seed,
                                                           .learner = step->learner,
                                                           .round = step->round,
                                                           .step = epoch,
                                                           .purpose = RANDOM_SHUFFLE});
    for (size_t i = 0; i < step->part->n_samples; i++)
        ret_order[i] = (uint32_t)i;
    random_shuffle(&random, ret_order, step->part->n_samples);
}

uint64_t local_n_steps(const struct learner_step *step)
{
    uint64_t batch_size = (uint64_t)step->training->batch_size;
    uint64_t n_batches = (step->part->n_samples + batch_size - 1) / batch_size;
    return n_batches * (uint64_t)step->training->local_epochs;
}

// What one round's training goes through.
struct run {
    const struct learner_step *step;
    float *parameters;
    const struct local_amendment *amendment; // or NULL
    struct batch batch;
    uint32_t *order;  // [n_samples], of the present epoch
    uint32_t n_steps; // done in this round
    struct tally tally;
};

static double amended_step(const struct run *run, size_t n, struct random_key key)
{
    const struct learner_step *step = run->step;
    float *gradient = trainer_gradient(step->trainer);
    const struct local_amendment *amendment = run->amendment;
    double loss = model_gradient_with(step->model, trainer_workspace(step->trainer), run->parameters,
                                      run->batch.features, &run->batch.targets, n, key,
                                      amendment->amend_outputs, amendment->user, gradient);
    if (amendment->amend)
        amendment->amend(amendment->user, run->parameters, gradient, model_layout(step->model)->n_parameters);
    trainer_apply(step->trainer, run->parameters);
    return loss;
}

static enum status train_batch(struct run *run, size_t first, size_t n, struct error *error)
{
    const struct learner_step *step = run->step;
    if (step->stop && step->stop(step->user))
        return error_set(error, STATUS_CANCELLED, "training was stopped in round %u", step->round);
    batch_load(&run->batch, step->part, run->order, first, n);
    struct random_key key = {.seed = step->seed,
                             .learner = step->learner,
                             .round = step->round,
                             .step = run->n_steps++,
                             .purpose = RANDOM_DROPOUT};
    double loss = run->amendment ? amended_step(run, n, key)
                                 : trainer_step(step->trainer, run->parameters, run->batch.features,
                                                &run->batch.targets, n, key);
    tally_add(&run->tally, step->model, &run->batch, n, loss,
              workspace_outputs(trainer_workspace(step->trainer)));
    return local_check_loss(step, loss, error);
}

static enum status train_epoch(struct run *run, uint32_t epoch, struct error *error)
{
    size_t n_samples = run->step->part->n_samples, batch_size = (size_t)run->step->training->batch_size;
    local_order(run->step, epoch, run->order);
    for (size_t first = 0; first < n_samples; first += batch_size) {
        size_t left = n_samples - first;
        TRY(train_batch(run, first, left < batch_size ? left : batch_size, error));
    }
    return STATUS_OK;
}

static enum status train_epochs(struct run *run, struct error *error)
{
    const struct learner_step *step = run->step;
    uint64_t n_steps = local_n_steps(step);
    trainer_reset(step->trainer, (step->round - 1) * n_steps, step->rounds * n_steps);
    for (int64_t epoch = 0; epoch < step->training->local_epochs; epoch++)
        TRY(train_epoch(run, (uint32_t)epoch, error));
    return STATUS_OK;
}

// NOLINTNEXTLINE(readability-non-const-parameter): they are written through `run`
enum status local_train(const struct learner_step *step, float *parameters,
                        const struct local_amendment *amendment, struct learner_result *ret,
                        struct error *error)
{
    TRY(local_check_part(step, error));
    struct run run = {.step = step, .parameters = parameters, .amendment = amendment};
    TRY(batch_init(&run.batch, step->part, (size_t)step->training->batch_size, error));
    run.order = memory_array(step->part->n_samples, sizeof *run.order);
    enum status status = run.order ? train_epochs(&run, error)
                                   : error_no_memory(error, step->part->n_samples * sizeof *run.order);
    if (status == STATUS_OK) {
        ret->weight = step->part->n_samples;
        ret->train_loss = tally_loss(&run.tally);
        ret->train_accuracy = tally_accuracy(&run.tally, run.batch.targets.type);
    }
    memory_free(run.order);
    batch_release(&run.batch);
    return status;
}
