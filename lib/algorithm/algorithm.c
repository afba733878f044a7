#include "algorithm/algorithm.h"
#include "base/memory.h"
#include <assert.h>
#include <string.h>

#define X(name) extern const struct algorithm_kind algorithm_##name;
#include "algorithm/algorithms.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &algorithm_##name.kind,
#include "algorithm/algorithms.def"
#undef X
};

const struct registry algorithms = {.what = "algorithm", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

size_t plan_shared_values(const struct algorithm_plan *plan)
{
    return plan->n_shared * plan->n_values;
}

size_t plan_kept_values(const struct algorithm_plan *plan)
{
    return (plan->n_shared + plan->n_private) * plan->n_values;
}

size_t plan_summary_values(const struct algorithm_plan *plan)
{
    return plan->n_vectors * plan->n_sent + plan->n_scalars;
}

enum status plan_layout(const struct algorithm_plan *plan, const struct model *model, struct layout *ret,
                        struct error *error)
{
    const struct layout *whole = model_layout(model);
    struct layout layout = LAYOUT_INIT;
    enum status status = STATUS_OK;
    if (plan->shares == SHARES_VALUES)
        status = layout_add(&layout, "shared", &(struct shape){1, {plan->n_values}}, error);
    for (size_t i = 0; plan->shares != SHARES_VALUES && i < whole->n_tensors; i++)
        if (status == STATUS_OK && layout.n_parameters < plan->n_values)
            status = layout_add(&layout, whole->tensors[i].name, &whole->tensors[i].shape, error);
    assert(status != STATUS_OK || layout.n_parameters == plan->n_values);
    if (status == STATUS_OK)
        *ret = layout;
    else
        layout_release(&layout);
    return status;
}

enum status algorithm_plan(const struct algorithm_kind *kind, const struct algorithm_setting *setting,
                           struct algorithm_plan *ret, struct error *error)
{
    struct algorithm_plan plan = {
        .n_values = model_layout(setting->model)->n_parameters, .n_shared = 1, .n_vectors = 1};
    if (kind->check_model)
        TRY(kind->check_model(setting->options, setting->model, error));
    if (kind->plan)
        TRY(kind->plan(setting, &plan, error));
    if (!plan.n_sent)
        plan.n_sent = plan.n_values;
    assert(plan.n_sent == plan.n_values || (kind->resolve && !plan.in_place && !plan.around_model));
    assert(plan.n_shared && plan.n_vectors && plan.n_scalars <= ALGORITHM_SCALARS_MAX);
    assert(plan.n_shared + plan.n_private <= ALGORITHM_VECTORS_MAX &&
           plan.n_vectors <= ALGORITHM_VECTORS_MAX);
    assert(!plan.in_place || !kind->own_model);
    if (plan.n_values == 0 || plan.n_values > TENSOR_FLOATS_MAX || plan.n_sent > TENSOR_FLOATS_MAX ||
        plan.n_own > TENSOR_FLOATS_MAX * 4)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "algorithm '%s' would exchange %zu values a vector and keep %zu: make the model, or "
                         "the probe data, smaller",
                         kind->kind.name, plan.n_values, plan.n_own);
    *ret = plan;
    return STATUS_OK;
}

enum status algorithm_learn(const struct algorithm_kind *kind, const struct learner_step *step,
                            struct learner_result *ret, struct error *error)
{
    const struct algorithm_plan *plan = step->plan;
    struct learner_result result = {0};
    if (step->shared && step->shared != step->parameters && plan->shares == SHARES_MODEL)
        memcpy(step->parameters, step->shared, plan->n_values * sizeof(float));
    TRY(kind->learn(step, &result, error));
    if (kind->own_model)
        kind->own_model(step, step->parameters);
    *ret = result;
    return STATUS_OK;
}
