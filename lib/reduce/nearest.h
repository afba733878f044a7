// Krum's scores (Blanchard, El Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries: Byzantine
// tolerant gradient descent", Section 4): the sum of a summary's squared distances to those nearest to it.
#pragma once

#include "reduce/gathered.h"
#include <stdint.h>

enum { NEAREST_ROWS_MAX = 1024 }; // every pair is compared and kept

// Of f bad summaries among n, each is scored by the n - f - 2 nearest to it.
struct nearest {
    size_t n, n_left;
    double *distances; // [n, n] squared
    uint16_t *order;   // [n, n - 1]: the others, the nearest first, of equally near ones the earlier source
    bool *gone;        // [n]
};

enum status nearest_init(struct nearest *nearest, const struct gathered *gathered, struct error *error);
void nearest_release(struct nearest *nearest); // half-made or zero is fine
// The one that is left with the lowest score among those left, with `n_bad` of them bad; of equal ones the
// earlier source. At least one neighbour counts.
size_t nearest_best(const struct nearest *nearest, size_t n_bad);
void nearest_remove(struct nearest *nearest, size_t row);
double nearest_score(const struct nearest *nearest, size_t row, size_t n_bad);

// Refuses numbers of summaries that are fewer than `factor` * `byzantine` + 3, or more than can be compared.
enum status nearest_check(const char *name, int64_t byzantine, int64_t factor, size_t least, size_t most,
                          struct error *error);
