// Collaborative learning by information maximisation: learners exchange predictions on shared probe samples,
// and each descends its task's loss + alpha D - beta I (algorithm/information.h).
#include "algorithm/information.h"

static const struct field fields[] = {INFORMATION_FIELDS, {0}};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    return predictions_plan("infomax", setting, plan, error);
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct information_options *options = step->options;
    const struct prediction_objective objective = {
        .options = options,
        .gradient = options->alpha > 0 || options->beta > 0 ? information_gradient : NULL,
    };
    return predictions_learn(step, &options->prediction, &objective, ret, error);
}

// The mean of the predictions is the next consensus: there is no re-update at the coordinator.
const struct algorithm_kind algorithm_infomax = {
    .kind = {.name = "infomax",
             .help =
                 "Learners of any architecture exchange predictions on probe samples, agree with each other "
                 "and maximise information",
             .fields = fields,
             .options_bytes = sizeof(struct information_options)},
    .own_models = true,
    .any_models = true,
    .needs_probe = true,
    .check_model = predictions_check_model,
    .plan = plan,
    .begin_own = predictions_begin_own,
    .learn = learn,
    .own_model = predictions_own_model,
};
