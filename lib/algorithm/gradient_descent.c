// Synchronous distributed gradient descent: theta <- theta - eta * sum_i (n_i / n) grad J_i(theta), with J_i
// the mean loss over learner i's n_i samples. On any number of learners it equals gradient descent on the
// union of their data, to rounding (for instance Chen, Monga, Bengio and Jozefowicz, "Revisiting distributed
// synchronous SGD", 2016, without backup workers).
#include "algorithm/part_gradient.h"
#include <string.h>

// The summary is the gradient of the mean loss over the whole part at the round's model. `parameters` stay as
// they are.
static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    TRY(part_gradient(step, step->parameters, ret, error));
    memcpy(step->summary, trainer_gradient(step->trainer),
           model_layout(step->model)->n_parameters * sizeof(float));
    return STATUS_OK;
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    part_gradient_descend(step, n, reduced[0], values[0]);
}

static enum status check_training(const void *options, const struct training_options *training,
                                  struct error *error)
{
    return part_gradient_check("gradient_descent", training, error);
}

const struct algorithm_kind algorithm_gradient_descent = {
    .kind = {.name = "gradient_descent",
             .help =
                 "Learners send gradients, and each round is one step of gradient descent on all the data"},
    .stale = STALE_STEPS_LESS,
    .check_training = check_training,
    .learn = learn,
    .reupdate = reupdate,
};
