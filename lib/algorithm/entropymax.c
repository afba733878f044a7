// The entropy-maximising variant of infomax: learners also keep the entropy of their predictions on their own
// training samples up, and descend the task's loss - gamma H(p(y|x)) + alpha D - beta I
// (algorithm/information.h).
#include "algorithm/information.h"

static const struct field fields[] = {
    INFORMATION_FIELDS,
    {.name = "gamma",
     .type = FIELD_REAL,
     .offset = offsetof(struct information_options, gamma),
     .fallback = "0.1",
     .min = 0,
     .max = 1e6,
     .help = "Weight of the entropy of a learner's predictions on its own training samples"},
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    return predictions_plan("entropymax", setting, plan, error);
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct information_options *options = step->options;
    const struct prediction_objective objective = {
        .options = options,
        .gradient = options->alpha > 0 || options->beta > 0 ? information_gradient : NULL,
        .amend_outputs = options->gamma > 0 ? information_penalise_confidence : NULL,
    };
    return predictions_learn(step, &options->prediction, &objective, ret, error);
}

const struct algorithm_kind algorithm_entropymax = {
    .kind = {.name = "entropymax",
             .help =
                 "As infomax, and learners keep their predictions on their own samples from overconfidence",
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
