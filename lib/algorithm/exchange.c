// An exchange without training, for measuring: what comes back is the round's model.
#include "algorithm/algorithm.h"
#include <math.h>

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->in_place = plan->around_model = true;
    return STATUS_OK;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    if (step->stop && step->stop(step->user))
        return error_set(error, STATUS_CANCELLED, "the exchange was stopped in round %u", step->round);
    *ret = (struct learner_result){
        .weight = step->part->n_samples, .train_loss = (double)NAN, .train_accuracy = (double)NAN};
    return STATUS_OK;
}

// The mean of copies is the model itself: there is no re-update.
const struct algorithm_kind algorithm_exchange = {
    .kind = {.name = "exchange",
             .help =
                 "Learners send the model they fetched back unchanged: measures exchanges, trains nothing"},
    .stale = STALE_WEIGHS_LESS,
    .trains_nothing = true,
    .plan = plan,
    .learn = learn,
};
