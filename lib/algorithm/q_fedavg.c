// q-FedAvg (Li, Sanjabi, Beirami and Smith, "Fair resource allocation in federated learning", ICLR 2020,
// Algorithm 2): descends sum_k p_k / (q+1) F_k(w)^(q+1), so that learners with large losses F_k count for
// more. From the round's model w learner k goes to w_k, and with 1/L the learning rate eta
//     D_k = L (w - w_k)    Delta_k = F_k^q D_k    h_k = q F_k^(q-1) ||D_k||^2 + L F_k^q
//     w <- w - sum_k Delta_k / sum_k h_k
// where p_k weights both sums by samples, so that q = 0 is federated averaging. What is sent are Delta_k and
// h_k times eta / unit^q, in which the quotient is the same.
#include "algorithm/plain_sgd.h"
#include "base/kernel.h"
#include "config/fields.h"
#include "reduce/ring.h"
#include <math.h>

struct q_fedavg_options {
    double q;
    double unit;
};

static const struct field fields[] = {
    {.name = "q",
     .type = FIELD_REAL,
     .offset = offsetof(struct q_fedavg_options, q),
     .fallback = "0.1",
     .min = 0,
     .max = 10,
     .help = "How much more learners with large losses count; 0: fedavg"},
    {.name = "unit",
     .type = FIELD_REAL,
     .offset = offsetof(struct q_fedavg_options, unit),
     .fallback = "1",
     .min = 1e-9,
     .max = 1e9,
     .help = "Loss in whose multiples losses are raised to q; cancels out, but keeps sums for large q in "
             "range: near the typical loss"},
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_scalars = 1;
    return STATUS_OK;
}

static enum status check_training(const void *options, const struct training_options *training,
                                  struct error *error)
{
    return plain_sgd_check("q_fedavg", training, error);
}

// F_k(w), over the learner's samples.
static enum status loss_before(const struct learner_step *step, double *ret, struct error *error)
{
    struct evaluation evaluation;
    TRY(local_check_part(step, error));
    TRY(evaluate(step->model, trainer_workspace(step->trainer), (size_t)step->training->batch_size,
                 step->shared, step->part, &evaluation, error));
    *ret = evaluation.loss;
    return local_check_loss(step, evaluation.loss, error);
}

enum { LANES = 16 };

// summary = w - w_k; its square, in an order of additions that does not depend on the vector width.
KERNEL static double find_way(size_t n, const float *restrict w, const float *restrict w_k,
                              float *restrict summary)
{
    double lanes[LANES] = {0}, total = 0;
    for (size_t i = 0; i < n; i++)
        summary[i] = w[i] - w_k[i];
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)summary[i + j] * (double)summary[i + j];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += (double)summary[i] * (double)summary[i];
    for (size_t j = 0; j < LANES; j++)
        total += lanes[j];
    return total;
}

KERNEL static void scale(size_t n, float factor, float *restrict summary)
{
    for (size_t i = 0; i < n; i++)
        summary[i] *= factor;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct q_fedavg_options *options = step->options;
    size_t n = step->plan->n_values;
    double loss;
    TRY(loss_before(step, &loss, error));
    TRY(local_train(step, step->parameters, NULL, ret, error));
    double square = find_way(n, step->shared, step->parameters, step->summary);
    double eta = plain_sgd_rates(step) / (double)local_n_steps(step);
    double multiple = fmax(loss / options->unit, 1e-10), power = pow(multiple, options->q);
    double curvature = eta > 0 ? options->q * power / multiple * square / (eta * options->unit) : 0;
    if (curvature + power >= 1 << RING_TERM_BITS)
        return error_set(
            error, STATUS_OUT_OF_RANGE,
            "the loss '%g' of learner '%u' to the power q '%g' is too large to be summed exactly: "
            "set a larger unit, or a smaller q",
            loss, step->learner, options->q);
    scale(n, (float)power, step->summary);
    step->summary[n] = (float)(curvature + power);
    return STATUS_OK;
}

KERNEL static void descend(size_t n, double sum, const float *restrict delta, float *restrict w)
{
    for (size_t i = 0; i < n; i++)
        w[i] -= (float)((double)delta[i] / sum);
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    if (step->scalars[0] >
        0) // else all losses to the q-th are nothing beside the unit: there is no way to go
        descend(n, (double)step->scalars[0], reduced[0], values[0]);
}

const struct algorithm_kind algorithm_q_fedavg = {
    .kind = {.name = "q_fedavg",
             .help = "Learners with large losses count for more, so that accuracies are alike",
             .fields = fields,
             .options_bytes = sizeof(struct q_fedavg_options)},
    .check_training = check_training,
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
