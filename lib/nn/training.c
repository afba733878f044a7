// A learner's steps: gradient, clipping, schedule, optimizer.
#include "nn/training.h"
#include "base/kernel.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>
#include <string.h>

const struct field training_fields[] = {
    {.name = "optimizer",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct training_options, optimizer),
     .fallback = "sgd",
     .registry = &optimizers,
     .help = "How a gradient becomes a step"},
    {.name = "schedule",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct training_options, schedule),
     .fallback = "constant",
     .registry = &schedules,
     .help = "How the learning rate changes over a learner's steps"},
    {.name = "batch_size",
     .type = FIELD_INT,
     .offset = offsetof(struct training_options, batch_size),
     .fallback = "32",
     .min = 1,
     .max = 1 << 20,
     .help = "Samples a step"},
    {.name = "local_epochs",
     .type = FIELD_INT,
     .offset = offsetof(struct training_options, local_epochs),
     .fallback = "1",
     .min = 1,
     .max = 1 << 20,
     .help = "Passes over a learner's own data in each round"},
    {.name = "clip_norm",
     .type = FIELD_REAL,
     .offset = offsetof(struct training_options, clip_norm),
     .fallback = "0",
     .min = 0,
     .max = 1e30,
     .help = "Largest L2 norm of a step's gradient, longer ones are scaled down to it; 0 for no limit"},
    {0},
};

struct trainer {
    const struct model *model;
    const struct optimizer_kind *optimizer;
    const void *optimizer_options;
    const struct schedule_kind *schedule;
    const void *schedule_options;
    double clip_norm;
    struct workspace *workspace;
    size_t n;         // parameters
    size_t n_state;   // floats of state
    float *gradient;  // [n]
    float *state;     // [n_state_vectors, n]; NULL when there are none
    uint64_t n_taken; // steps since the reset
    uint64_t first_step;
    uint64_t n_steps;
};

static enum status allocate(struct trainer *trainer, size_t max_batch, struct error *error)
{
    size_t n_vectors = trainer->optimizer->n_state_vectors(trainer->optimizer_options);
    trainer->n = model_layout(trainer->model)->n_parameters;
    trainer->n_state = n_vectors * trainer->n;
    trainer->gradient = memory_floats(trainer->n);
    if (trainer->n_state > 0)
        trainer->state = memory_floats(trainer->n_state);
    if (!trainer->gradient || (trainer->n_state > 0 && !trainer->state))
        return error_no_memory(error, (trainer->n + trainer->n_state) * sizeof(float));
    return workspace_new(&trainer->workspace, trainer->model, max_batch, true, error);
}

enum status trainer_new(struct trainer **ret, const struct model *model,
                        const struct training_options *options, size_t max_batch, struct error *error)
{
    struct trainer *trainer = memory_zalloc(sizeof *trainer);
    if (!trainer)
        return error_no_memory(error, sizeof *trainer);
    *trainer = (struct trainer){
        .model = model,
        .optimizer = (const struct optimizer_kind *)options->optimizer.kind,
        .optimizer_options = options->optimizer.options,
        .schedule = (const struct schedule_kind *)options->schedule.kind,
        .schedule_options = options->schedule.options,
        .clip_norm = options->clip_norm,
    };
    enum status status = allocate(trainer, max_batch, error);
    if (status != STATUS_OK)
        trainer_free(trainer);
    else
        *ret = trainer;
    return status;
}

struct trainer *trainer_free(struct trainer *trainer)
{
    if (trainer) {
        workspace_free(trainer->workspace);
        memory_free(trainer->gradient);
        memory_free(trainer->state);
    }
    return memory_free(trainer);
}

void trainer_reset(struct trainer *trainer, uint64_t first_step, uint64_t n_steps)
{
    if (trainer->state)
        memset(trainer->state, 0, trainer->n_state * sizeof trainer->state[0]);
    trainer->n_taken = 0;
    trainer->first_step = first_step;
    trainer->n_steps = n_steps;
}

enum { LANES = 16 };

// The sum of squares in double, in an order of additions that does not depend on the vector width.
KERNEL static double sum_squares(size_t n, const float *restrict values)
{
    double lanes[LANES] = {0}, total = 0;
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)values[i + j] * (double)values[i + j];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += (double)values[i] * (double)values[i];
    for (size_t j = 0; j < LANES; j++)
        total += lanes[j];
    return total;
}

KERNEL static void scale(size_t n, float factor, float *restrict values)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= factor;
}

static void clip(struct trainer *trainer)
{
    double norm = sqrt(sum_squares(trainer->n, trainer->gradient));
    if (norm > trainer->clip_norm)
        scale(trainer->n, (float)(trainer->clip_norm / norm), trainer->gradient);
}

static double scheduled_rate(const struct trainer *trainer)
{
    double rate = trainer->optimizer->learning_rate(trainer->optimizer_options);
    uint64_t step = trainer->first_step + trainer->n_taken;
    if (trainer->schedule)
        rate *= trainer->schedule->factor(trainer->schedule_options, step, trainer->n_steps);
    return rate;
}

void trainer_apply(struct trainer *trainer, float *parameters)
{
    if (trainer->clip_norm > 0)
        clip(trainer);
    double rate = scheduled_rate(trainer);
    trainer->n_taken++;
    trainer->optimizer->step(trainer->optimizer_options, rate, trainer->n_taken, trainer->n, parameters,
                             trainer->gradient, trainer->state, trainer->n);
}

struct descent {
    const struct trainer *trainer;
    float *parameters;
    double rate;
};

static void descend(void *user, size_t offset, size_t n, const float *gradient)
{
    const struct descent *descent = user;
    const struct trainer *trainer = descent->trainer;
    float *state = trainer->state ? trainer->state + offset : NULL;
    trainer->optimizer->step(trainer->optimizer_options, descent->rate, trainer->n_taken, n,
                             descent->parameters + offset, gradient, state, trainer->n);
}

static void descend_columns(void *user, size_t offset, const struct columns *columns, size_t n_rows,
                            const float *gathered, size_t width)
{
    const struct descent *descent = user;
    const struct trainer *trainer = descent->trainer;
    trainer->optimizer->step_columns(trainer->optimizer_options, descent->rate, columns, n_rows,
                                     descent->parameters + offset, gathered, width);
}

double trainer_step(struct trainer *trainer, float *parameters, const float *input,
                    const struct targets *targets, size_t batch, struct random_key key)
{
    if (trainer->clip_norm > 0) { // by the norm of the whole gradient
        double loss = model_gradient(trainer->model, trainer->workspace, parameters, input, targets, batch,
                                     key, trainer->gradient);
        trainer_apply(trainer, parameters);
        return loss;
    }
    struct descent descent = {trainer, parameters, scheduled_rate(trainer)};
    const struct optimizer_kind *optimizer = trainer->optimizer;
    bool columns = optimizer->steps_columns && optimizer->steps_columns(trainer->optimizer_options);
    const struct gradient_sink sink = {descend, columns ? descend_columns : NULL, &descent};
    trainer->n_taken++;
    return model_hand_gradient(trainer->model, trainer->workspace, parameters, input, targets, batch, key,
                               &sink, trainer->gradient);
}

float *trainer_gradient(struct trainer *trainer)
{
    return trainer->gradient;
}

struct workspace *trainer_workspace(struct trainer *trainer)
{
    return trainer->workspace;
}
