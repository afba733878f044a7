#include "loop.h"
#include "algorithm/commit.h"
#include "base/memory.h"
#include "config/fields.h"
#include "reduce/reducer.h"
#include <math.h>
#include <string.h>

struct loop_text {
    struct model_options model;
    struct training_options training;
    struct choice algorithm;
    struct choice reducer;
    int64_t probe;
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
    {.name = "probe", .type = FIELD_INT, .offset = offsetof(struct loop_text, probe), .fallback = "0"},
    {0},
};

struct loop {
    struct document document;
    struct arena arena;
    struct loop_text text;
    const struct part *parts;
    struct part probe;
    size_t n_learners;
    uint64_t seed;
    uint32_t round, rounds; // round: the next one
    struct model *model;
    struct trainer *trainer;
    struct reduction *reduction;
    uint64_t weight_unit;
    struct algorithm_plan plan;
    float *values, *next;        // [plan_kept_values]
    float *parameters, *summary; // one learner's at a time; the same in place
    float *own;                  // [n_learners, plan.n_own]
    bool *begun;                 // [n_learners]
    float **fetched;             // [n_learners] of loop_stale_round, each [plan_shared_values] or NULL
    uint32_t *fetched_after;     // [n_learners], rounds
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

static enum status loop_allocate(struct loop *loop, struct error *error)
{
    const struct algorithm_plan *plan = &loop->plan;
    loop->values = memory_floats(plan_kept_values(plan));
    loop->next = memory_floats(plan_kept_values(plan));
    loop->parameters = memory_floats(loop_n_parameters(loop));
    loop->summary = plan->in_place ? loop->parameters : memory_floats(plan_summary_values(plan));
    loop->own = memory_floats(loop->n_learners * plan->n_own + 1);
    loop->begun = memory_array(loop->n_learners, sizeof *loop->begun);
    if (loop->values && loop->next && loop->parameters && loop->summary && loop->own && loop->begun)
        return STATUS_OK;
    return error_no_memory(error, plan_kept_values(plan) * sizeof(float));
}

static enum status loop_open(struct loop *loop, struct error *error)
{
    const struct dataset *dataset = loop->parts[0].dataset;
    loop->probe = (struct part){.dataset = dataset, .n_samples = (size_t)loop->text.probe};
    TRY(model_new(&loop->model, &loop->text.model, &dataset->sample, dataset->n_outputs, dataset->target_type,
                  error));
    TRY(trainer_new(&loop->trainer, loop->model, &loop->text.training, (size_t)loop->text.training.batch_size,
                    error));
    const struct algorithm_setting setting = {
        .options = loop->text.algorithm.options,
        .training = &loop->text.training,
        .model = loop->model,
        .seed = loop->seed,
        .n_learners = (uint32_t)loop->n_learners,
        .rounds = loop->rounds,
        .n_probe = loop->probe.n_samples,
    };
    TRY(algorithm_plan(algorithm_of(loop), &setting, &loop->plan, error));
    TRY(reduction_new(&loop->reduction, &loop->text.reducer, plan_summary_values(&loop->plan), NULL, error));
    TRY(loop_allocate(loop, error));
    if (loop->plan.shares != SHARES_VALUES) {
        model_init(loop->model, loop->seed, loop->parameters);
        memcpy(loop->values, loop->parameters, loop->plan.n_values * sizeof(float));
    }
    if (algorithm_of(loop)->begin)
        algorithm_of(loop)->begin(&setting, &loop->plan, loop->values);
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
    memory_free(loop->values);
    memory_free(loop->next);
    if (loop->summary != loop->parameters)
        memory_free(loop->summary);
    memory_free(loop->parameters);
    memory_free(loop->own);
    memory_free(loop->begun);
    for (size_t i = 0; loop->fetched && i < loop->n_learners; i++)
        memory_free(loop->fetched[i]);
    memory_free(loop->fetched);
    memory_free(loop->fetched_after);
    reduction_free(loop->reduction);
    trainer_free(loop->trainer);
    model_free(loop->model);
    arena_release(&loop->arena);
    document_release(&loop->document);
    return memory_free(loop);
}

static struct learner_step step_of(struct loop *loop, uint32_t learner)
{
    return (struct learner_step){
        .options = loop->text.algorithm.options,
        .training = &loop->text.training,
        .plan = &loop->plan,
        .model = loop->model,
        .part = &loop->parts[learner],
        .probe = loop->probe.n_samples ? &loop->probe : NULL,
        .trainer = loop->trainer,
        .seed = loop->seed,
        .learner = learner,
        .n_learners = (uint32_t)loop->n_learners,
        .round = loop->round,
        .rounds = loop->rounds,
        .shared = loop->values,
        .own = loop->own + learner * loop->plan.n_own,
        .stop = loop->stop,
        .user = loop->user,
    };
}

static void begin_own(struct loop *loop, const struct learner_step *step)
{
    if (!loop->begun[step->learner] && algorithm_of(loop)->begin_own)
        algorithm_of(loop)->begin_own(step, step->own);
    loop->begun[step->learner] = true;
}

enum status loop_learn(struct loop *loop, uint32_t learner, struct learner_result *ret, struct error *error)
{
    struct learner_step step = step_of(loop, learner);
    begin_own(loop, &step);
    step.parameters = loop->parameters;
    step.summary = loop->summary;
    return algorithm_learn(algorithm_of(loop), &step, ret, error);
}

const float *loop_summary(const struct loop *loop)
{
    return loop->summary;
}

const float *loop_answering(const struct loop *loop)
{
    return loop->parameters;
}

void loop_own_model(struct loop *loop, uint32_t learner, float *ret_parameters)
{
    struct learner_step step = step_of(loop, learner);
    begin_own(loop, &step);
    algorithm_of(loop)->own_model(&step, ret_parameters);
}

static enum status loop_fold(struct loop *loop, uint32_t learner, double *train_loss, struct error *error)
{
    struct learner_result result;
    TRY(loop_learn(loop, learner, &result, error));
    const struct contribution from = {.source = learner, .weight = result.weight, .discount = 1};
    TRY(reduction_fold(loop->reduction, 0, loop->summary, plan_summary_values(&loop->plan), &from, error));
    reduction_count(loop->reduction, &from);
    *train_loss += result.train_loss * (double)result.weight;
    return STATUS_OK;
}

struct reupdate_step loop_reupdate_step(const struct loop *loop)
{
    return (struct reupdate_step){
        .options = loop->text.algorithm.options,
        .training = &loop->text.training,
        .model = loop->model,
        .plan = &loop->plan,
        .round = loop->round,
        .rounds = loop->rounds,
        .n_summaries = (uint32_t)loop->n_learners,
        .n_learners = (uint32_t)loop->n_learners,
    };
}

static enum status loop_commit(struct loop *loop, struct error *error)
{
    struct commit commit = {
        .kind = algorithm_of(loop),
        .step = loop_reupdate_step(loop),
        .reduction = loop->reduction,
        .current = loop->values,
        .next = loop->next,
    };
    TRY(commit_open(&commit, NULL, error));
    if (commit_is_whole(&commit))
        commit_whole(&commit);
    else
        commit_range(&commit, 0, loop->plan.n_values);
    TRY(commit_close(&commit, error));
    loop->next = loop->values;
    loop->values = commit.next;
    return STATUS_OK;
}

enum status loop_round(struct loop *loop, bool backwards, double *ret_train_loss, struct error *error)
{
    double train_loss = 0;
    reduction_reset(loop->reduction, loop->weight_unit);
    for (size_t i = 0; i < loop->n_learners; i++)
        TRY(loop_fold(loop, (uint32_t)(backwards ? loop->n_learners - 1 - i : i), &train_loss, error));
    TRY(loop_commit(loop, error));
    loop->round++;
    if (ret_train_loss)
        *ret_train_loss = train_loss / (double)reduction_weight(loop->reduction);
    return STATUS_OK;
}

// ---- rounds that are not in step --------------------------------------------------------------------------

static enum status fetch(struct loop *loop, uint32_t learner, struct error *error)
{
    size_t n = plan_shared_values(&loop->plan);
    if (!loop->fetched[learner])
        loop->fetched[learner] = memory_floats(n);
    if (!loop->fetched[learner])
        return error_no_memory(error, n * sizeof(float));
    memcpy(loop->fetched[learner], loop->values, n * sizeof(float));
    loop->fetched_after[learner] = loop->round - 1;
    return STATUS_OK;
}

static enum status begin_stale(struct loop *loop, struct error *error)
{
    if (loop->fetched)
        return STATUS_OK;
    loop->fetched = memory_array(loop->n_learners, sizeof *loop->fetched);
    loop->fetched_after = memory_array(loop->n_learners, sizeof *loop->fetched_after);
    if (!loop->fetched || !loop->fetched_after)
        return error_no_memory(error, loop->n_learners * sizeof *loop->fetched);
    for (uint32_t i = 0; i < loop->n_learners; i++)
        TRY(fetch(loop, i, error));
    return STATUS_OK;
}

static enum status fold_stale(struct loop *loop, uint32_t learner, struct error *error)
{
    struct learner_result result;
    struct learner_step step = step_of(loop, learner);
    uint32_t staleness = loop->round - 1 - loop->fetched_after[learner];
    step.shared = loop->fetched[learner];
    step.round = loop->fetched_after[learner] + 1;
    step.parameters = loop->parameters;
    step.summary = loop->summary;
    begin_own(loop, &step);
    TRY(algorithm_learn(algorithm_of(loop), &step, &result, error));
    const struct contribution from = {
        .source = learner, .weight = result.weight, .discount = pow(1 + (double)staleness, -0.5)};
    TRY(reduction_fold(loop->reduction, 0, loop->summary, plan_summary_values(&loop->plan), &from, error));
    reduction_count(loop->reduction, &from);
    return STATUS_OK;
}

enum status loop_stale_round(struct loop *loop, const uint32_t *who, size_t n, struct error *error)
{
    TRY(begin_stale(loop, error));
    reduction_reset(loop->reduction, loop->weight_unit);
    for (size_t i = 0; i < n; i++)
        TRY(fold_stale(loop, who[i], error));
    TRY(loop_commit(loop, error));
    loop->round++;
    for (size_t i = 0; i < n; i++)
        TRY(fetch(loop, who[i], error));
    return STATUS_OK;
}

void loop_resume(struct loop *loop, uint32_t round, const struct loop *from)
{
    loop->round = round;
    memmove(loop->values, from->values, loop_n_values(loop) * sizeof(float));
    memmove(loop->own, from->own, loop->n_learners * loop->plan.n_own * sizeof(float));
    memmove(loop->begun, from->begun, loop->n_learners * sizeof *loop->begun);
}

float *loop_parameters(struct loop *loop)
{
    return loop->values;
}

size_t loop_n_parameters(const struct loop *loop)
{
    return model_layout(loop->model)->n_parameters;
}

size_t loop_n_values(const struct loop *loop)
{
    return plan_kept_values(&loop->plan);
}

const struct algorithm_plan *loop_plan(const struct loop *loop)
{
    return &loop->plan;
}

const float *loop_own(const struct loop *loop, uint32_t learner)
{
    return loop->own + learner * loop->plan.n_own;
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

static enum status evaluate_values(struct loop *loop, const float *parameters, const struct part *part,
                                   struct evaluation *ret, struct error *error)
{
    return evaluate(loop->model, trainer_workspace(loop->trainer), (size_t)loop->text.training.batch_size,
                    parameters, part, ret, error);
}

static enum status evaluate_own(struct loop *loop, const struct part *part, struct evaluation *ret,
                                struct error *error)
{
    struct evaluation mean = {.n_samples = part->n_samples}, one;
    for (uint32_t i = 0; i < loop->n_learners; i++) {
        loop_own_model(loop, i, loop->parameters);
        TRY(evaluate_values(loop, loop->parameters, part, &one, error));
        mean.loss += one.loss / (double)loop->n_learners;
        mean.accuracy += one.accuracy / (double)loop->n_learners;
    }
    *ret = mean;
    return STATUS_OK;
}

enum status loop_evaluate(struct loop *loop, const struct part *part, struct evaluation *ret,
                          struct error *error)
{
    return algorithm_of(loop)->own_model ? evaluate_own(loop, part, ret, error)
                                         : evaluate_values(loop, loop->values, part, ret, error);
}
