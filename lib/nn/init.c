#include "nn/init.h"
#include <math.h>
#include <string.h>

const char *const init_words[] = {"auto", "he", "glorot", "zeros", NULL};

static enum init_rule resolve(enum init_rule rule, const struct choice *activation)
{
    if (rule != INIT_AUTO)
        return rule;
    const struct activation_kind *kind = (const struct activation_kind *)activation->kind;
    return kind && kind->rectifies ? INIT_HE : INIT_GLOROT;
}

void init_weights(enum init_rule rule, const struct choice *activation, size_t fan_in, size_t fan_out,
                  struct random *random, size_t n, float *ret)
{
    rule = resolve(rule, activation);
    if (rule == INIT_ZEROS) {
        memset(ret, 0, n * sizeof ret[0]);
        return;
    }
    size_t fan = rule == INIT_HE ? fan_in : fan_in + fan_out;
    float bound = (float)sqrt(6.0 / (double)fan);
    for (size_t i = 0; i < n; i++)
        ret[i] = bound * (2 * random_float(random) - 1);
}
