#include "experiment/weighting.h"
#include <math.h>
#include <stddef.h>

#define INVERSE_LOSS_UNIT UINT64_C(1000000)
#define INVERSE_LOSS_MAX  UINT64_C(1000000000)

const char *const weighting_words[] = {
    [WEIGHTING_SAMPLES] = "samples",
    [WEIGHTING_UNIFORM] = "uniform",
    [WEIGHTING_INVERSE_LOSS] = "inverse_loss",
    NULL,
};

uint64_t weighting_expected(enum weighting weighting, uint64_t n_samples)
{
    switch (weighting) {
    case WEIGHTING_UNIFORM:
        return 1;
    case WEIGHTING_INVERSE_LOSS:
        return INVERSE_LOSS_UNIT;
    default:
        return n_samples;
    }
}

enum status weighting_of(enum weighting weighting, uint64_t weight, double loss, uint64_t *ret,
                         struct error *error)
{
    switch (weighting) {
    case WEIGHTING_UNIFORM:
        *ret = 1;
        return STATUS_OK;
    case WEIGHTING_INVERSE_LOSS:
        if (!(loss >= 0) || isinf(loss))
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "a training loss of '%g' gives no weight; choose another "
                             "collaboration.weighting than inverse_loss",
                             loss);
        *ret = (uint64_t)fmin(fmax(round((double)INVERSE_LOSS_UNIT / loss), 1), (double)INVERSE_LOSS_MAX);
        return STATUS_OK;
    default:
        *ret = weight;
        return STATUS_OK;
    }
}

enum status weighting_check(enum weighting weighting, uint64_t weight, uint64_t n_samples,
                            struct error *error)
{
    uint64_t most = weighting == WEIGHTING_UNIFORM        ? 1
                    : weighting == WEIGHTING_INVERSE_LOSS ? INVERSE_LOSS_MAX
                                                          : n_samples;
    if (weight >= 1 && weight <= most)
        return STATUS_OK;
    return error_set(error, STATUS_OUT_OF_RANGE,
                     "a weight of '%llu' where %s weighting of %llu samples allows 1 to %llu",
                     (unsigned long long)weight, weighting_words[weighting], (unsigned long long)n_samples,
                     (unsigned long long)most);
}
