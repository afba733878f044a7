#include "experiment/coding.h"

struct coder experiment_coder(const struct experiment_options *options, const struct algorithm_plan *plan,
                              const struct model *model, uint32_t learner, uint32_t round,
                              const float *reference)
{
    const struct layout *layout = model_layout(model);
    return (struct coder){
        .codec = &options->collaboration.codec,
        .frame = {.n_values = plan_summary_values(plan),
                  .layout = plan->n_values == layout->n_parameters ? layout : NULL,
                  .key = {.seed = (uint64_t)options->seed, .learner = learner, .round = round},
                  .feedback = options->collaboration.error_feedback},
        .reference = plan->around_model ? reference : NULL,
        .n_reference = plan->around_model ? plan->n_values : 0,
    };
}

bool experiment_sends_values(const struct experiment_options *options)
{
    return ((const struct codec_kind *)(const void *)options->collaboration.codec.kind)->identity;
}
