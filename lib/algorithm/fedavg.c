// Federated averaging (McMahan, Moore, Ramage, Hampson and Aguera y Arcas, "Communication-efficient learning
// of deep networks from decentralized data", AISTATS 2017, Algorithm 1): learners train for some epochs from
// the round's model, and the next model is the mean of theirs, weighted by samples.
#include "algorithm/local.h"

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->in_place = plan->around_model = true;
    return STATUS_OK;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    return local_train(step, step->parameters, NULL, ret, error);
}

// The mean of the weights is the next model itself: there is no re-update.
const struct algorithm_kind algorithm_fedavg = {
    .kind = {.name = "fedavg",
             .help = "Learners train for some epochs and send weights, whose mean is the next model"},
    .stale = STALE_WEIGHS_LESS,
    .plan = plan,
    .learn = learn,
};
