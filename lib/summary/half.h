// Sixteen-bit floating point: IEEE 754 binary16, and bfloat16, the upper half of a float32.
#pragma once

#include <stdint.h>

// To nearest, ties to even. A value too large becomes infinite; NaN stays NaN.
uint16_t f16_of(float x);
float f16_value(uint16_t half);
uint16_t bf16_of(float x);
float bf16_value(uint16_t bits);
