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

// ---- models ---------------------------------------------------------------------------------------------

static const struct codec_kind *kind_of(const struct choice *codec)
{
    return (const struct codec_kind *)(const void *)codec->kind;
}

bool experiment_sends_models(const struct experiment_options *options)
{
    return kind_of(&options->collaboration.downlink)->identity;
}

bool experiment_sends_differences(const struct experiment_options *options)
{
    return kind_of(&options->collaboration.downlink)->of != NULL;
}

bool experiment_keeps_lost(const struct experiment_options *options, const struct algorithm_plan *plan)
{
    return !experiment_sends_models(options) && options->collaboration.error_feedback &&
           plan->shares != SHARES_VALUES;
}

// Differences are taken from what has arrived, which is feedback enough for a codec that takes more than it
// leaves; one that is right in the mean alone might not.
bool experiment_model_coder(const struct experiment_options *options, const struct algorithm_plan *plan,
                            const struct model *model, uint32_t round, const float *reference,
                            struct coder *ret)
{
    const struct layout *layout = model_layout(model);
    const struct choice *codec = &options->collaboration.downlink;
    bool differs = kind_of(codec)->of != NULL;
    if (differs && round == 0) {
        codec = kind_of(codec)->of(codec->options);
        differs = false;
    }
    if (kind_of(codec)->identity || (round == 0 && kind_of(codec)->wants_difference))
        return false;
    *ret = (struct coder){
        .codec = codec,
        .frame = {.n_values = plan_shared_values(plan),
                  .layout = plan->n_values == layout->n_parameters ? layout : NULL,
                  .key = {.seed = (uint64_t)options->seed, .learner = UINT32_MAX, .round = round},
                  .feedback = differs || experiment_keeps_lost(options, plan)},
        .reference = differs ? reference : NULL,
        .n_reference = differs ? plan_shared_values(plan) : 0,
    };
    return true;
}
