// Mutual learning: each learner descends its task's loss + alpha T^2 KL(q || p_i) on shared probe samples,
// with q the mean of the others' predictions (Zhang, Xiang, Hospedales and Lu, "Deep mutual learning", CVPR
// 2018, equations 5 and 9: the mean of KL(p_j || p_i) over the others has the same gradient), exchanged once
// a round by a coordinator as in FedMD (Li and Wang, "FedMD: heterogenous federated learning via model
// distillation", 2019, Algorithm 1). At temperature T gradients shrink by T^2, which the factor undoes
// (Hinton, Vinyals and Dean 2015, section 2).
#include "algorithm/predictions.h"

struct mutual_options {
    struct prediction_options prediction; // first, for PREDICTION_FIELDS
    double alpha;
};

static const struct field fields[] = {
    {.name = "alpha",
     .type = FIELD_REAL,
     .offset = offsetof(struct mutual_options, alpha),
     .fallback = "1",
     .min = 0,
     .max = 1e6,
     .help = "Weight of the others' predictions on the probe samples; 0: each learns alone"},
    PREDICTION_FIELDS,
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    return predictions_plan("mutual", setting, plan, error);
}

// d/dz_k = alpha T (p_k - q_k) / n.
static void gradient(const void *algorithm_options, const struct prediction_rows *rows, float *ret)
{
    const struct mutual_options *options = algorithm_options;
    double scale = options->alpha * rows->temperature / (double)rows->n_mean, whole = 1 - rows->share;
    for (size_t i = 0; i < rows->n; i++)
        for (size_t k = i * rows->n_classes; k < (i + 1) * rows->n_classes; k++)
            if (prediction_others_known(rows, i))
                ret[k] += (float)(scale * (rows->p[k] - (double)rows->others[k] / whole));
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct mutual_options *options = step->options;
    const struct prediction_objective objective = {.options = options,
                                                   .gradient = options->alpha > 0 ? gradient : NULL};
    return predictions_learn(step, &options->prediction, &objective, ret, error);
}

const struct algorithm_kind algorithm_mutual = {
    .kind = {.name = "mutual",
             .help = "Learners of any architecture learn from the mean of the others' predictions on probe "
                     "samples",
             .fields = fields,
             .options_bytes = sizeof(struct mutual_options)},
    .own_models = true,
    .any_models = true,
    .needs_probe = true,
    .check_model = predictions_check_model,
    .plan = plan,
    .begin_own = predictions_begin_own,
    .learn = learn,
    .own_model = predictions_own_model,
};
