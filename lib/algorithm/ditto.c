// Ditto (Li, Hu, Beirami and Smith, "Ditto: fair and robust federated learning through personalization", ICML
// 2021, Algorithm 1, with FedAvg for the global model): beside its part in the global model w, each learner
// k trains a model v_k of its own, which a proximal term keeps near the round's w:
//   v_k <- v_k - eta (grad F_k(v_k) + lambda (v_k - w))
#include "algorithm/local.h"
#include "base/kernel.h"
#include <string.h>

struct ditto_options {
    double lambda;
    int64_t personal_epochs;
};

static const struct field fields[] = {
    {.name = "lambda",
     .type = FIELD_REAL,
     .offset = offsetof(struct ditto_options, lambda),
     .fallback = "0.1",
     .max = 1e6,
     .help =
         "Pull of the global model on a learner's own: 0 trains alone, a large one gives the global model"},
    {.name = "personal_epochs",
     .type = FIELD_INT,
     .offset = offsetof(struct ditto_options, personal_epochs),
     .fallback = "1",
     .min = 1,
     .max = 1 << 20,
     .help = "Passes over a learner's data in each round that train its own model"},
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_own = plan->n_values; // v_k
    plan->around_model = true;
    return STATUS_OK;
}

static void begin_own(const struct learner_step *step, float *own)
{
    memcpy(own, step->shared, step->plan->n_own * sizeof *own);
}

KERNEL
static void add_pull(float *restrict gradient, const float *restrict own, const float *restrict global,
                     size_t n, float lambda)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] += lambda * (own[i] - global[i]);
}

static void amend(void *user, const float *parameters, float *gradient, size_t n_parameters)
{
    const struct learner_step *step = user;
    const struct ditto_options *options = step->options;
    add_pull(gradient, parameters, step->shared, n_parameters, (float)options->lambda);
}

// In the working copy; the learner's own model is replaced when all of it went well. The samples come in the
// order of the global model's epochs.
static enum status train_own(const struct learner_step *step, struct error *error)
{
    const struct ditto_options *options = step->options;
    struct training_options training = *step->training;
    struct learner_step personal = *step;
    struct learner_result result;
    const struct local_amendment amendment = {.amend = amend, .user = &personal};
    size_t bytes = step->plan->n_own * sizeof(float);
    training.local_epochs = options->personal_epochs;
    personal.training = &training;
    memcpy(step->parameters, step->own, bytes);
    TRY(local_train(&personal, step->parameters, &amendment, &result, error));
    TRY(local_check_parameters(step, step->parameters, error));
    memcpy(step->own, step->parameters, bytes);
    return STATUS_OK;
}

// The losses told are those of the global model's training, as fedavg's.
static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    TRY(local_train(step, step->parameters, NULL, ret, error));
    memcpy(step->summary, step->parameters, step->plan->n_values * sizeof(float));
    return train_own(step, error);
}

static void own_model(const struct learner_step *step, float *ret_parameters)
{
    memcpy(ret_parameters, step->own, step->plan->n_own * sizeof(float));
}

// The mean of the weights is the next global model: there is no re-update.
const struct algorithm_kind algorithm_ditto = {
    .kind = {.name = "ditto",
             .help = "As fedavg, while each learner trains a model of its own near the global one",
             .fields = fields,
             .options_bytes = sizeof(struct ditto_options)},
    .plan = plan,
    .begin_own = begin_own,
    .learn = learn,
    .own_model = own_model,
};
