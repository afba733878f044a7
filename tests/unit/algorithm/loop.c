#include "loop.h"
#include "base/memory.h"
#include "config/fields.h"
#include "reduce/reducer.h"
#include <string.h>

struct loop_text {
    struct model_options model;
    struct training_options training;
    struct choice algorithm;
    struct choice reducer;
};

static const struct field loop_fields[] = {
    {.name = "model",
     .type = FIELD_SECTION,
     .offset = offsetof(struct loop_text, model),
     .fields = model_fields},
    {.name = "training",
     .type = FIELD_SECTION,
     .offset = offsetof(struct loop_text, training),
     .fields = training_fields},
    {.name = "algorithm",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct loop_text, algorithm),
     .registry = &algorithms,
     .required = true},
    {.name = "reducer",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct loop_text, reducer),
     .registry = &reducers,
     .fallback = "mean"},
    {0},
};

struct loop {
    struct document document;
    struct arena arena;
    struct loop_text text;
    const struct part *parts;
    size_t n_learners;
    uint64_t seed;
    uint32_t round, rounds; // round: the next one
    struct model *model;
    struct trainer *trainer;
    struct reduction *reduction;
    uint64_t weight_unit;
    float *parameters, *local, *reduced; // [n_parameters]
    bool (*stop)(void *user);
    void *user;
};

static const struct algorithm_kind *algorithm_of(const struct loop *loop)
{
    return (const struct algorithm_kind *)loop->text.algorithm.kind;
}

static enum status loop_read(struct loop *loop, const char *yaml, struct error *error)
{
    TRY(document_parse(&loop->document, yaml, strlen(yaml), "loop", error));
    TRY(fields_read(loop_fields, loop->document.root, &loop->text, &loop->arena, error));
    if (!algorithm_of(loop)->check_training)
        return STATUS_OK;
    return algorithm_of(loop)->check_training(loop->text.algorithm.options, &loop->text.training, error);
}

static enum status loop_open(struct loop *loop, struct error *error)
{
    const struct dataset *dataset = loop->parts[0].dataset;
    TRY(model_new(&loop->model, &loop->text.model, &dataset->sample, dataset->n_outputs, dataset->target_type,
                  error));
    TRY(trainer_new(&loop->trainer, loop->model, &loop->text.training, (size_t)loop->text.training.batch_size,
                    error));
    size_t n = loop_n_parameters(loop);
    TRY(reduction_new(&loop->reduction, &loop->text.reducer, n, NULL, error));
    loop->parameters = memory_floats(n);
    loop->local = memory_floats(n);
    loop->reduced = memory_floats(n);
    if (!loop->parameters || !loop->local || !loop->reduced)
        return error_no_memory(error, n * sizeof(float));
    model_init(loop->model, loop->seed, loop->parameters);
    uint64_t n_samples = 0;
    for (size_t i = 0; i < loop->n_learners; i++)
        n_samples += loop->parts[i].n_samples;
    loop->weight_unit = n_samples > loop->n_learners ? n_samples / loop->n_learners : 1;
    return STATUS_OK;
}

enum status loop_new(struct loop **ret, const char *yaml, const struct part *parts, size_t n_learners,
                     uint64_t seed, uint32_t rounds, struct error *error)
{
    struct loop *loop = memory_zalloc(sizeof *loop);
    if (!loop)
        return error_no_memory(error, sizeof *loop);
    loop->parts = parts;
    loop->n_learners = n_learners;
    loop->seed = seed;
    loop->round = 1;
    loop->rounds = rounds;
    enum status status = loop_read(loop, yaml, error);
    if (status == STATUS_OK)
        status = loop_open(loop, error);
    if (status == STATUS_OK)
        *ret = loop;
    else
        loop_free(loop);
    return status;
}

struct loop *loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    memory_free(loop->parameters);
    memory_free(loop->local);
    memory_free(loop->reduced);
    reduction_free(loop->reduction);
    trainer_free(loop->trainer);
    model_free(loop->model);
    arena_release(&loop->arena);
    document_release(&loop->document);
    return memory_free(loop);
}

enum status loop_learn(struct loop *loop, uint32_t learner, struct learner_result *ret, struct error *error)
{
    memcpy(loop->local, loop->parameters, loop_n_parameters(loop) * sizeof(float));
    struct learner_step step = {
        .options = loop->text.algorithm.options,
        .training = &loop->text.training,
        .model = loop->model,
        .part = &loop->parts[learner],
        .trainer = loop->trainer,
        .seed = loop->seed,
        .learner = learner,
        .round = loop->round,
        .rounds = loop->rounds,
        .stop = loop->stop,
        .user = loop->user,
    };
    return algorithm_of(loop)->learn(&step, loop->local, ret, error);
}

static enum status loop_fold(struct loop *loop, uint32_t learner, double *train_loss, struct error *error)
{
    struct learner_result result;
    TRY(loop_learn(loop, learner, &result, error));
    const struct contribution from = {.source = learner, .weight = result.weight, .discount = 1};
    TRY(reduction_fold(loop->reduction, 0, result.summary, loop_n_parameters(loop), &from, error));
    reduction_count(loop->reduction, &from);
    *train_loss += result.train_loss * (double)result.weight;
    return STATUS_OK;
}

enum status loop_round(struct loop *loop, bool backwards, double *ret_train_loss, struct error *error)
{
    double train_loss = 0;
    reduction_reset(loop->reduction, loop->weight_unit);
    for (size_t i = 0; i < loop->n_learners; i++)
        TRY(loop_fold(loop, (uint32_t)(backwards ? loop->n_learners - 1 - i : i), &train_loss, error));
    const struct settling settling = {0};
    TRY(reduction_settle(loop->reduction, &settling, error));
    TRY(reduction_finish(loop->reduction, 0, loop_n_parameters(loop), loop->reduced, error));
    struct reupdate_step step = {loop->text.algorithm.options, &loop->text.training, loop->round,
                                 loop->rounds};
    algorithm_of(loop)->reupdate(&step, 0, loop_n_parameters(loop), loop->parameters, loop->reduced);
    memcpy(loop->parameters, loop->reduced, loop_n_parameters(loop) * sizeof(float));
    loop->round++;
    if (ret_train_loss)
        *ret_train_loss = train_loss / (double)reduction_weight(loop->reduction);
    return STATUS_OK;
}

void loop_resume(struct loop *loop, uint32_t round)
{
    loop->round = round;
}

float *loop_parameters(struct loop *loop)
{
    return loop->parameters;
}

size_t loop_n_parameters(const struct loop *loop)
{
    return model_layout(loop->model)->n_parameters;
}

const struct model *loop_model(const struct loop *loop)
{
    return loop->model;
}

void loop_set_stop(struct loop *loop, bool (*stop)(void *user), void *user)
{
    loop->stop = stop;
    loop->user = user;
}

enum status loop_evaluate(struct loop *loop, const struct part *part, struct evaluation *ret,
                          struct error *error)
{
    return evaluate(loop->model, trainer_workspace(loop->trainer), (size_t)loop->text.training.batch_size,
                    loop->parameters, part, ret, error);
}
