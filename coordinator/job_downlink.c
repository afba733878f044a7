// A round's model on its way down, where its codec loses something: the model becomes what learners will
// decode, and what was lost is kept behind the version's other values.
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include "experiment/coding.h"
#include <assert.h>
#include <math.h>
#include <string.h>

size_t job_kept_values(const struct job *job, const struct algorithm_plan *plan)
{
    bool keeps = experiment_keeps_lost(&job->experiment.options, plan);
    return plan_kept_values(plan) + (keeps ? plan_shared_values(plan) : 0);
}

// [n_shared] of what was lost of that version and those before; NULL: it is not kept.
static float *lost_of(const struct job *job, const struct algorithm_plan *plan, const struct version *version)
{
    return experiment_keeps_lost(&job->experiment.options, plan) ? version->values + plan_kept_values(plan)
                                                                 : NULL;
}

static enum status check_finite(const struct job *job, const struct version *version, uint32_t round,
                                struct error *error)
{
    for (size_t i = 0; i < version->n_shared; i++)
        if (!isfinite(version->values[i]))
            return error_set(error, STATUS_OUT_OF_RANGE,
                             "the model of round %u has values that downlink '%s' cannot carry; choose bf16 "
                             "or f32, or a smaller learning rate",
                             round, job->experiment.options.collaboration.downlink.kind->name);
    return STATUS_OK;
}

enum status job_code_model(const struct job *job, const struct coded_setting *setting,
                           const struct version *before, struct version *version, uint32_t round,
                           struct coded **ret, struct error *error)
{
    struct coder coder;
    const struct algorithm_plan *plan = setting->plan;
    float *lost = lost_of(job, plan, version);
    if (before && lost)
        memcpy(lost, lost_of(job, plan, before), version->n_shared * sizeof *lost);
    if (!experiment_model_coder(&job->experiment.options, plan, setting->model, round,
                                before ? before->values : NULL, &coder))
        return STATUS_OK;
    int64_t begun_ns = trace_begin();
    struct coded *coded = coded_new(coder_bytes(&coder));
    cleanup_free float *spare = lost ? NULL : memory_floats(version->n_shared);
    enum status status = coded && (lost || spare)
                             ? coder_encode(&coder, version->values, lost ? lost : spare, coded->bytes, error)
                             : error_no_memory(error, version->n_shared * sizeof(float));
    if (status == STATUS_OK) {
        coded->round = round;
        coded->differs = coder.n_reference > 0;
        assert(before || !coded->differs); // the initial model is coded as it is
        if (coded->differs)
            memcpy(coded->base, before->id, sizeof coded->base);
        coder_decode(&coder, coded->bytes, 0, version->n_shared, version->values);
        status = check_finite(job, version, round, error);
    }
    trace_end("encode", begun_ns, JOB_TRACK_ROUNDS, round);
    if (status == STATUS_OK)
        *ret = coded;
    else
        coded_unref(coded);
    return status;
}
