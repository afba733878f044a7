// exp, tanh, erf and the logistic function of single floats, written without branches or library calls so
// that loops over them become vector code, and so that they round alike on every machine. Within 3e-7 of the
// exact value (erf 5e-7), relative for exp, absolute for the others. NaN gives NaN.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

// Cody and Waite's reduction x = n log 2 + r with the polynomial of Cephes' expf (Moshier 1989). Below -87.3
// the result stays 1.2e-38, above 88.3 it stays 2.2e38.
static inline float vector_exp(float x)
{
    const float round = 0x1.8p23f; // adding it leaves the nearest integer in the low bits
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    float shifted = x * 1.44269504f + round, n = shifted - round;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23; // 2^n; the bits above n's fall out on the left
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float vector_sigmoid(float x)
{
    float e = vector_exp(-fabsf(x)), near = 1 / (1 + e);
    return x < 0 ? e * near : near;
}

// Cephes' tanhf.
static inline float vector_tanh(float x)
{
    float z = x * x, far = 1 - 2 / (vector_exp(2 * fabsf(x)) + 1);
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    return fabsf(x) < 0.625f ? near : copysignf(far, x);
}

// The rational approximation on [-4, 4] that Eigen uses, x P(x^2) / Q(x^2); beyond 4 erf is 1 in single
// precision.
static inline float vector_erf(float x)
{
    x = x < -4 ? -4 : x;
    x = x > 4 ? 4 : x;
    float z = x * x;
    float p = -2.72614225801306e-10f;
    p = p * z + 2.77068142495902e-08f;
    p = p * z - 2.10102402082508e-06f;
    p = p * z - 5.69250639462346e-05f;
    p = p * z - 7.34990630326855e-04f;
    p = p * z - 2.95459980854025e-03f;
    p = p * z - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * z - 2.13374055278905e-04f;
    q = q * z - 1.68282697438203e-03f;
    q = q * z - 7.37332916720468e-03f;
    q = q * z - 1.42647390514189e-02f;
    return x * p / q;
}
