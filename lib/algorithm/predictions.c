#include "algorithm/predictions.h"
#include "base/kernel.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

bool prediction_others_known(const struct prediction_rows *rows, size_t i)
{
    const float *row = rows->others + i * rows->n_classes;
    double sum = 0;
    for (size_t k = 0; k < rows->n_classes; k++)
        sum += (double)row[k];
    return sum > 0;
}

enum status predictions_check_model(const void *options, const struct model *model, struct error *error)
{
    if (model_is_classifier(model))
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "learners that exchange predictions compare probabilities of classes; use the loss "
                     "cross_entropy");
}

enum status predictions_check_probe(const char *algorithm, const struct algorithm_setting *setting,
                                    struct error *error)
{
    if (setting->n_probe == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "algorithm '%s' compares predictions on samples that all learners share, and there "
                         "are none; add data.probe",
                         algorithm);
    if (setting->n_probe > TENSOR_FLOATS_MAX / model_n_outputs(setting->model))
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%zu' probe samples are too many; use fewer",
                         setting->n_probe);
    return STATUS_OK;
}

// ---- probabilities --------------------------------------------------------------------------------------

void predictions_softmax(const float *outputs, size_t n, size_t n_classes, double temperature, double *ret)
{
    for (size_t i = 0; i < n; i++, outputs += n_classes, ret += n_classes) {
        double largest = (double)outputs[0], sum = 0;
        for (size_t k = 1; k < n_classes; k++)
            largest = fmax(largest, (double)outputs[k]);
        for (size_t k = 0; k < n_classes; k++)
            sum += ret[k] = exp(((double)outputs[k] - largest) / temperature);
        for (size_t k = 0; k < n_classes; k++)
            ret[k] /= sum;
    }
}

void predictions_marginal(const double *p, size_t n, size_t n_classes, double *ret)
{
    memset(ret, 0, n_classes * sizeof *ret);
    for (size_t i = 0; i < n * n_classes; i++)
        ret[i % n_classes] += p[i] / (double)n;
}

static enum status make_batches(const struct learner_step *step, const float *parameters, double temperature,
                                struct batch *batch, float *ret, struct error *error)
{
    size_t n_classes = model_n_outputs(step->model), capacity = (size_t)step->training->batch_size;
    cleanup_free double *p = memory_array(capacity, n_classes * sizeof *p);
    if (!p)
        return error_no_memory(error, capacity * n_classes * sizeof *p);
    for (size_t first = 0; first < step->probe->n_samples; first += capacity) {
        size_t left = step->probe->n_samples - first, n = left < capacity ? left : capacity;
        if (step->stop && step->stop(step->user))
            return error_set(error, STATUS_CANCELLED, "prediction was stopped in round %u", step->round);
        batch_load(batch, step->probe, NULL, first, n);
        const float *outputs =
            model_forward(step->model, trainer_workspace(step->trainer), parameters, batch->features, n);
        predictions_softmax(outputs, n, n_classes, temperature, p);
        for (size_t i = 0; i < n * n_classes; i++)
            ret[first * n_classes + i] = (float)p[i];
    }
    return STATUS_OK;
}

enum status predictions_make(const struct learner_step *step, const float *parameters, double temperature,
                             float *ret, struct error *error)
{
    struct batch batch = BATCH_INIT;
    TRY(batch_init(&batch, step->probe, (size_t)step->training->batch_size, error));
    enum status status = make_batches(step, parameters, temperature, &batch, ret, error);
    batch_release(&batch);
    return status;
}

// ---- what a learner keeps -------------------------------------------------------------------------------

enum status predictions_plan(const char *algorithm, const struct algorithm_setting *setting,
                             struct algorithm_plan *plan, struct error *error)
{
    TRY(predictions_check_probe(algorithm, setting, error));
    plan->shares = SHARES_VALUES;
    plan->n_values = setting->n_probe * model_n_outputs(setting->model);
    plan->n_own = model_layout(setting->model)->n_parameters + plan->n_values + 1;
    return STATUS_OK;
}

// Where things lie in step->own.
struct kept {
    float *parameters; // [n_parameters]
    float *sent;       // [n_values] the last summary
    float *round;      // in which it was made; exact up to 2^24
};

static struct kept kept_of(const struct learner_step *step)
{
    size_t n = model_layout(step->model)->n_parameters;
    return (struct kept){step->own, step->own + n, step->own + n + step->plan->n_values};
}

void predictions_begin_own(const struct learner_step *step, float *own)
{
    model_init(step->model, step->seed, own);
}

void predictions_own_model(const struct learner_step *step, float *ret_parameters)
{
    memcpy(ret_parameters, step->own, model_layout(step->model)->n_parameters * sizeof *ret_parameters);
}

// ---- a round --------------------------------------------------------------------------------------------

struct round {
    const struct learner_step *step;
    const struct prediction_options *options;
    const struct prediction_objective *objective;
    size_t n_classes, capacity; // probe samples a step
    struct workspace *workspace;
    struct batch batch;
    uint32_t *order;              // [n_probe], of the present pass over them
    uint32_t n_passes, n_steps;   // begun; done
    size_t next;                  // in the order
    float *others, *batch_others; // [n_probe, n_classes], [capacity, n_classes]
    double *p, *marginal;         // [capacity, n_classes], [n_classes]
    float *output_gradient;       // [capacity, n_classes]
    float *gradient;              // [n_parameters]
};

static void round_close(struct round *round)
{
    workspace_free(round->workspace);
    batch_release(&round->batch);
    memory_free(round->order);
    memory_free(round->others);
    memory_free(round->batch_others);
    memory_free(round->p);
    memory_free(round->marginal);
    memory_free(round->output_gradient);
    memory_free(round->gradient);
}

static enum status round_allocate(struct round *round, struct error *error)
{
    const struct learner_step *step = round->step;
    size_t n = round->capacity, row = round->n_classes, n_probe = step->probe->n_samples;
    size_t n_parameters = model_layout(step->model)->n_parameters;
    round->order = memory_array(n_probe, sizeof *round->order);
    round->others = memory_floats(n_probe * row);
    round->batch_others = memory_floats(n * row);
    round->p = memory_array(n, row * sizeof *round->p);
    round->marginal = memory_array(row, sizeof *round->marginal);
    round->output_gradient = memory_floats(n * row);
    round->gradient = memory_floats(n_parameters);
    if (!round->order || !round->others || !round->batch_others || !round->p || !round->marginal ||
        !round->output_gradient || !round->gradient)
        return error_no_memory(error, (n_probe * row + n_parameters) * sizeof(float));
    TRY(batch_init(&round->batch, step->probe, n, error));
    return workspace_new(&round->workspace, step->model, n, true, error);
}

// The others' part of the mean of all: the consensus without what this learner put in, if it was in the last
// one; each row then sums up to 1 - share. Who took part in the last round is not told: where learners were
// left out, a share of 1 / n_learners takes less off than was put in.
static void find_others(struct round *round)
{
    const struct learner_step *step = round->step;
    const struct kept kept = kept_of(step);
    double share = 1.0 / (double)step->n_learners;
    bool was_in = *kept.round > 0 && *kept.round == (float)(step->round - 1);
    for (size_t i = 0; i < step->plan->n_values; i += round->n_classes) {
        double sum = 0;
        for (size_t k = i; k < i + round->n_classes; k++) {
            double own = was_in ? share * (double)kept.sent[k] : 0;
            round->others[k] = (float)fmax((double)step->shared[k] - own, 0);
            sum += (double)round->others[k];
        }
        for (size_t k = i; k < i + round->n_classes && sum > 0; k++)
            round->others[k] = (float)((double)round->others[k] * (1 - share) / sum);
    }
}

// The next batch of the probe, in an order of this round's; a pass's leftover is dropped.
static void next_batch(struct round *round)
{
    const struct learner_step *step = round->step;
    size_t n_probe = step->probe->n_samples, row = round->n_classes;
    if (round->n_passes == 0 || round->next + round->capacity > n_probe) {
        struct random random = random_open((struct random_key){.seed = step->seed,
                                                               .learner = step->learner,
                                                               .round = step->round,
                                                               .step = round->n_passes++,
                                                               .purpose = RANDOM_PROBE});
        for (size_t i = 0; i < n_probe; i++)
            round->order[i] = (uint32_t)i;
        random_shuffle(&random, round->order, n_probe);
        round->next = 0;
    }
    batch_load(&round->batch, step->probe, round->order, round->next, round->capacity);
    for (size_t i = 0; i < round->capacity; i++)
        memcpy(round->batch_others + i * row, round->others + round->order[round->next + i] * row,
               row * sizeof(float));
    round->next += round->capacity;
}

KERNEL
static void add(float *restrict sum, const float *restrict gradient, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += gradient[i];
}

static void amend(void *user, const float *parameters, float *gradient, size_t n_parameters)
{
    struct round *round = user;
    const struct learner_step *step = round->step;
    size_t n = round->capacity, row = round->n_classes;
    next_batch(round);
    struct random_key key = {.seed = step->seed,
                             .learner = step->learner,
                             .round = step->round,
                             .step = UINT32_C(1) << 31 | round->n_steps++, // other dropout than the task's
                             .purpose = RANDOM_DROPOUT};
    const float *outputs =
        model_forward_training(step->model, round->workspace, parameters, round->batch.features, n, key);
    predictions_softmax(outputs, n, row, round->options->temperature, round->p);
    predictions_marginal(round->p, n, row, round->marginal);
    const struct prediction_rows rows = {.n = n,
                                         .n_classes = row,
                                         .n_mean = n,
                                         .temperature = round->options->temperature,
                                         .share = 1.0 / (double)step->n_learners,
                                         .p = round->p,
                                         .others = round->batch_others,
                                         .marginal = round->marginal};
    memset(round->output_gradient, 0, n * row * sizeof(float));
    round->objective->gradient(round->objective->options, &rows, round->output_gradient);
    model_backward(step->model, round->workspace, parameters, n, round->output_gradient, round->gradient);
    add(gradient, round->gradient, n_parameters);
}

static void amend_outputs(void *user, const float *outputs, size_t n, float *output_gradient)
{
    const struct round *round = user;
    round->objective->amend_outputs(round->objective->options, outputs, n, round->n_classes, output_gradient);
}

static enum status train(struct round *round, struct learner_result *ret, struct error *error)
{
    const struct prediction_objective *objective = round->objective;
    const struct local_amendment amendment = {
        .amend = objective->gradient ? amend : NULL,
        .amend_outputs = objective->amend_outputs ? amend_outputs : NULL,
        .user = round,
    };
    bool amended = amendment.amend || amendment.amend_outputs;
    if (amendment.amend) {
        TRY(round_allocate(round, error));
        find_others(round);
    }
    return local_train(round->step, round->step->parameters, amended ? &amendment : NULL, ret, error);
}

enum status predictions_learn(const struct learner_step *step, const struct prediction_options *options,
                              const struct prediction_objective *objective, struct learner_result *ret,
                              struct error *error)
{
    size_t n_parameters = model_layout(step->model)->n_parameters, n_probe = step->probe->n_samples;
    const struct kept kept = kept_of(step);
    struct round round = {.step = step,
                          .options = options,
                          .objective = objective,
                          .n_classes = model_n_outputs(step->model),
                          .capacity = (size_t)options->probe_batch < n_probe ? (size_t)options->probe_batch
                                                                             : n_probe};
    memcpy(step->parameters, kept.parameters, n_parameters * sizeof(float));
    enum status status = train(&round, ret, error);
    if (status == STATUS_OK)
        status = local_check_parameters(step, step->parameters, error);
    if (status == STATUS_OK)
        status = predictions_make(step, step->parameters, options->temperature, step->summary, error);
    if (status == STATUS_OK) {
        memcpy(kept.parameters, step->parameters, n_parameters * sizeof(float));
        memcpy(kept.sent, step->summary, step->plan->n_values * sizeof(float));
        *kept.round = (float)step->round;
        ret->weight = 1;
    }
    round_close(&round);
    return status;
}
