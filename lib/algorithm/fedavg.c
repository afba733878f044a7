// Federated averaging (McMahan, Moore, Ramage, Hampson and Aguera y Arcas, "Communication-efficient learning
// of deep networks from decentralized data", AISTATS 2017, Algorithm 1): learners train for some epochs from
// the round's model, and the next model is the mean of theirs, weighted by samples.
#include "algorithm/local.h"

static enum status learn(const struct learner_step *step, float *parameters, struct learner_result *ret,
                         struct error *error)
{
    TRY(local_train(step, parameters, ret, error));
    ret->summary = parameters;
    return STATUS_OK;
}

// The mean of the weights is the next model itself.
static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, const float *current,
                     float *values)
{
}

const struct algorithm_kind algorithm_fedavg = {
    .kind = {.name = "fedavg",
             .help = "Learners train for some epochs and send weights, whose mean is the next model"},
    .learn = learn,
    .reupdate = reupdate,
};
