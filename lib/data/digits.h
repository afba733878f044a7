// Generated handwritten-like digits: a learning task to try Cohort with, without fetching anything. Each
// image is strokes laid through control points, warped, slanted, turned, shifted and inked as by many hands.
#pragma once

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { DIGITS_SIDE = 28, DIGITS_PIXELS = DIGITS_SIDE * DIGITS_SIDE, DIGITS_CLASSES = 10 };

// Which samples: the same seed gives two sets that have none in common.
enum digits_set { DIGITS_TRAIN, DIGITS_TEST };

// Draws image `index` of a set, white (255) on black, and returns its class. A pure function of its
// arguments. With `writers`, image i is by writer i modulo `writers`, each with a slant, a turn, a size and a
// pen of their own, the same in both sets; 0: every image is by another hand.
uint8_t digits_draw(uint64_t seed, enum digits_set set, uint32_t index, uint32_t writers,
                    uint8_t ret_pixels[DIGITS_PIXELS]);

// Writes images and labels 0 to n as gzipped IDX, complete or not at all; the bytes follow from seed, set, n
// and writers. The folder must exist.
enum status digits_write(const char *images, const char *labels, uint64_t seed, enum digits_set set,
                         uint32_t n, uint32_t writers, struct error *error);
