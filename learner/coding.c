// A learner's summary as its codec sends it. What the codec loses is kept for the next one.
#include "experiment/coding.h"
#include "base/memory.h"
#include "learner/host.h"

static struct coder coder_of(const struct learner *learner, uint32_t round)
{
    const struct study *study = learner->study;
    const struct experiment_options *options = &study->experiment.options;
    return experiment_coder(options, &study->plan, study->variants[0].model, learner->index, round,
                            learner->shared);
}

bool learner_is_in_place(const struct learner *learner)
{
    return learner->study->plan.in_place &&
           coder_is_identity(
               &(struct coder){.codec = &learner->study->experiment.options.collaboration.codec});
}

enum status learner_encode(struct learner *learner, uint32_t round, struct error *error)
{
    const struct coder coder = coder_of(learner, round);
    if (coder_is_identity(&coder))
        return STATUS_OK;
    learner->n_encoded = coder_bytes(&coder);
    if (!learner->encoded)
        learner->encoded = memory_alloc(learner->n_encoded ? learner->n_encoded : 1);
    if (!learner->residual)
        learner->residual = memory_floats(coder.frame.n_values);
    if (!learner->encoded || !learner->residual)
        return error_no_memory(error, learner->n_encoded + coder.frame.n_values * sizeof(float));
    return coder_encode(&coder, learner->summary, learner->residual, learner->encoded, error);
}

const void *learner_summary_bytes(const struct learner *learner, size_t *ret_n)
{
    *ret_n =
        learner->encoded ? learner->n_encoded : plan_summary_values(&learner->study->plan) * sizeof(float);
    return learner->encoded ? (const void *)learner->encoded : learner->summary;
}

size_t learner_encoded_bytes(const struct learner *learner, uint32_t round)
{
    const struct coder coder = coder_of(learner, round);
    return coder_is_identity(&coder) ? 0 : coder_bytes(&coder);
}

void learner_free_coding(struct learner *learner)
{
    learner->encoded = memory_free(learner->encoded);
    learner->residual = memory_free(learner->residual);
}
