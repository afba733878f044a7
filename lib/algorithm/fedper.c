// Personalisation layers (Arivazhagan, Aggarwal, Singh and Choudhary, "Federated learning with
// personalization layers", 2019, Algorithms 1 and 2): learners train the whole model, but share only its
// first, base layers, whose mean weighted by samples goes on; the last ones stay with each learner.
#include "algorithm/local.h"
#include <string.h>

struct fedper_options {
    int64_t personal;
};

static const struct field fields[] = {
    {.name = "personal",
     .type = FIELD_INT,
     .offset = offsetof(struct fedper_options, personal),
     .fallback = "1",
     .min = 1,
     .max = MODEL_LAYERS_MAX,
     .help = "Layers at the model's end that each learner keeps to itself, of those with parameters"},
    {0},
};

// "0.weight" and "0.bias" are of one layer.
static bool same_layer(const struct tensor *a, const struct tensor *b)
{
    size_t n = strcspn(a->name, ".");
    return n == strcspn(b->name, ".") && memcmp(a->name, b->name, n) == 0;
}

// Parameters before the last `n_personal` layers that have some; `ret_n_layers` tells how many there are.
static size_t base_values(const struct layout *layout, size_t n_personal, size_t *ret_n_layers)
{
    size_t n_layers = 0, n_values = 0;
    for (size_t i = layout->n_tensors; i-- > 0;) {
        n_layers += i + 1 == layout->n_tensors || !same_layer(&layout->tensors[i], &layout->tensors[i + 1]);
        if (n_layers == n_personal)
            n_values = layout->tensors[i].offset;
    }
    *ret_n_layers = n_layers;
    return n_values;
}

static enum status check_model(const void *algorithm_options, const struct model *model, struct error *error)
{
    const struct fedper_options *options = algorithm_options;
    size_t n_layers;
    if (base_values(model_layout(model), (size_t)options->personal, &n_layers) > 0)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "personal '%lld' leaves fedper no layer to share, as the model has %zu with "
                     "parameters; set personal below that, or add layers",
                     (long long)options->personal, n_layers);
}

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    const struct fedper_options *options = setting->options;
    const struct layout *layout = model_layout(setting->model);
    size_t n_layers;
    plan->shares = SHARES_PREFIX;
    plan->n_values = base_values(layout, (size_t)options->personal, &n_layers);
    plan->n_own = layout->n_parameters - plan->n_values;
    plan->around_model = true;
    return STATUS_OK;
}

static void begin_own(const struct learner_step *step, float *own)
{
    model_init_from(step->model, step->seed, step->plan->n_values, own);
}

// The shared base with the learner's own layers on top.
static void own_model(const struct learner_step *step, float *ret_parameters)
{
    const struct algorithm_plan *plan = step->plan;
    memcpy(ret_parameters, step->shared, plan->n_values * sizeof(float));
    memcpy(ret_parameters + plan->n_values, step->own, plan->n_own * sizeof(float));
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct algorithm_plan *plan = step->plan;
    own_model(step, step->parameters);
    TRY(local_train(step, step->parameters, NULL, ret, error));
    TRY(local_check_parameters(step, step->parameters, error));
    memcpy(step->summary, step->parameters, plan->n_values * sizeof(float));
    memcpy(step->own, step->parameters + plan->n_values, plan->n_own * sizeof(float));
    return STATUS_OK;
}

// The mean of the bases is the next one: there is no re-update.
const struct algorithm_kind algorithm_fedper = {
    .kind = {.name = "fedper",
             .help = "As fedavg for the first layers; each learner has the last ones for itself",
             .fields = fields,
             .options_bytes = sizeof(struct fedper_options)},
    .check_model = check_model,
    .plan = plan,
    .begin_own = begin_own,
    .learn = learn,
    .own_model = own_model,
};
