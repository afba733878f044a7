#include "summary/half.h"
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float value_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// Float32 has 23 bits of fraction and a bias of 127, binary16 10 and 15.
uint16_t f16_of(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000) // NaN
        return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x47800000) // 2^16 and more; what rounds up to it gets there by the carry below
        return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) { // below 2^-14: adding 2^-1 leaves the subnormal's ten bits at the end, rounded
        float shifted = value_of(rest) + 0.5F;
        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5F)));
    }
    uint32_t odd = rest >> 13 & 1;
    return (uint16_t)(sign | ((rest - ((127U - 15U) << 23) + 0xfff + odd) >> 13));
}

float f16_value(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00) // infinite or NaN
        return value_of(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest < 0x0400) { // subnormal: a whole number of 2^-24
        float x = (float)rest * 0x1p-24F;
        return sign ? -x : x;
    }
    return value_of(sign | ((rest << 13) + ((127U - 15U) << 23)));
}

uint16_t bf16_of(float x)
{
    uint32_t bits = bits_of(x);
    if ((bits & 0x7fffffff) > 0x7f800000) // NaN, which rounding might make infinite
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float bf16_value(uint16_t bits)
{
    return value_of((uint32_t)bits << 16);
}
