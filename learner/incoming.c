#include "learner/incoming.h"
#include "base/deposit.h"
#include "base/memory.h"
#include "learner/study.h"
#include <string.h>

// Models from this size on are out of the cache by the time that they are whole.
enum { DEPOSITED_BYTES_MIN = 16 << 20 };

static bool coder_of(const struct study *study, uint32_t round, struct coder *ret)
{
    return experiment_model_coder(&study->experiment.options, &study->plan, study->variants[0].model, round,
                                  study->values, ret);
}

static enum status fit_part(struct incoming *incoming, size_t bytes, struct error *error)
{
    if (incoming->part && incoming->part_bytes == bytes)
        return STATUS_OK;
    memory_free(incoming->part);
    incoming->part = memory_alloc(bytes ? bytes : 1);
    incoming->part_bytes = incoming->part ? bytes : 0;
    return incoming->part ? STATUS_OK : error_no_memory(error, bytes);
}

enum status incoming_begin(struct study *study, uint32_t round, bool coded, uint32_t differences,
                           struct error *error)
{
    struct incoming *incoming = &study->incoming;
    struct coder coder;
    incoming->coded = coded;
    incoming->differences = differences;
    incoming->n_decoded = 0;
    incoming->bytes = plan_shared_values(&study->plan) * sizeof(float);
    if (!coded)
        return STATUS_OK;
    bool differs = differences > 0;
    if (!coder_of(study, round, &coder) || differs != (coder.n_reference > 0) || differences > round)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "the coordinator codes the model of round %u otherwise than the experiment has it",
                         round);
    TRY(fit_part(incoming, coder_bytes(&coder), error));
    incoming->bytes = (uint64_t)incoming->part_bytes * (differs ? differences : 1);
    return STATUS_OK;
}

// What has come of the part is decoded as far as it goes; the part is of the model of `round`.
static enum status decode(struct study *study, uint32_t round, size_t n_bytes, struct error *error)
{
    struct incoming *incoming = &study->incoming;
    struct coder coder;
    if (!coder_of(study, round, &coder))
        return error_set(error, STATUS_INTERNAL, "round %u's model is not coded", round);
    if (n_bytes == incoming->part_bytes)
        TRY(coder_check(&coder, incoming->part, error));
    size_t n = coder_ready(&coder, n_bytes);
    coder_apply(&coder, incoming->part, incoming->n_decoded, n - incoming->n_decoded, study->values);
    incoming->n_decoded = n;
    return STATUS_OK;
}

enum status incoming_take(struct study *study, uint64_t offset, const uint8_t *bytes, size_t n,
                          struct error *error)
{
    struct incoming *incoming = &study->incoming;
    if (!incoming->coded) {
        uint8_t *to = (uint8_t *)study->values + offset;
        if (incoming->bytes >= DEPOSITED_BYTES_MIN)
            deposit(to, bytes, n);
        else
            memcpy(to, bytes, n);
        return STATUS_OK;
    }
    uint32_t first = study->fetching - (incoming->differences ? incoming->differences - 1 : 0);
    while (n > 0) {
        uint32_t place = (uint32_t)(offset / incoming->part_bytes);
        size_t within = (size_t)(offset % incoming->part_bytes), left = incoming->part_bytes - within;
        size_t some = n < left ? n : left;
        incoming->n_decoded = within ? incoming->n_decoded : 0;
        memcpy(incoming->part + within, bytes, some);
        TRY(decode(study, first + place, within + some, error));
        offset += some;
        bytes += some;
        n -= some;
    }
    return STATUS_OK;
}

void incoming_release(struct incoming *incoming)
{
    incoming->part = memory_free(incoming->part);
}
