// An exchange without training, for measuring: what comes back is the round's model.
#include "algorithm/algorithm.h"
#include <math.h>

static enum status learn(const struct learner_step *step, float *parameters, struct learner_result *ret,
                         struct error *error)
{
    if (step->stop && step->stop(step->user))
        return error_set(error, STATUS_CANCELLED, "the exchange was stopped in round %u", step->round);
    *ret = (struct learner_result){.summary = parameters,
                                   .weight = step->part->n_samples,
                                   .train_loss = (double)NAN,
                                   .train_accuracy = (double)NAN};
    return STATUS_OK;
}

// The mean of copies is the model itself.
static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, const float *current,
                     float *values)
{
}

const struct algorithm_kind algorithm_exchange = {
    .kind = {.name = "exchange",
             .help =
                 "Learners send the model they fetched back unchanged: measures exchanges, trains nothing"},
    .trains_nothing = true,
    .learn = learn,
    .reupdate = reupdate,
};
