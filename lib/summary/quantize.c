#include "summary/quantize.h"
#include <math.h>

static float largest(const float *values, size_t n)
{
    float most = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        float size = fabsf(values[i]);
        most = size > most ? size : most;
        sum += size * 0; // NaN if any is not finite
    }
    return most + sum;
}

static void round_to_nearest(const float *values, size_t n, float inverse, int8_t *ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = (int8_t)rintf(values[i] * inverse);
}

static void round_at_random(const struct codec_frame *frame, size_t block, const float *values, size_t n,
                            float inverse, int most, int8_t *ret)
{
    struct random_key key = frame->key;
    key.purpose = RANDOM_CODEC;
    key.step = (uint32_t)block;
    key.index = (uint16_t)(block >> 32);
    struct random random = random_open(key);
    for (size_t i = 0; i < n; i++) {
        float q = floorf(values[i] * inverse + random_float(&random));
        ret[i] = (int8_t)fmaxf(fminf(q, (float)most), (float)-most);
    }
}

float quantize_block(const struct codec_frame *frame, size_t block, const float *values, size_t n, int most,
                     int8_t *ret)
{
    float scale = largest(values, n) / (float)most;
    float inverse = 1 / scale;
    if (!isfinite(scale) || !isfinite(inverse)) { // nothing but zeros, or tiny beyond telling, or a fault
        for (size_t i = 0; i < n; i++)
            ret[i] = 0;
        return isfinite(scale) ? 0 : scale;
    }
    if (frame->feedback)
        round_to_nearest(values, n, inverse, ret);
    else
        round_at_random(frame, block, values, n, inverse, most, ret);
    return scale;
}
