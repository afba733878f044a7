// What an exchange's buffers must hold, worked out from the chunks that came, beside the exchange and more
// simply: values that no chunk was for stay as they are, bit by bit.
#pragma once

#include "learner/peers_impl.h"

struct sums {
    const struct peers *peers;
    size_t *n_sent;      // [n_out] chunks
    float *result;       // [n_values]
    float *spare;        // [n_values]
    double *terms;       // mix: [steps, n_values]
    size_t *n_terms;     // mix: [n_positions]
    size_t done;         // positions that are complete
    uint8_t *is_settled; // ring: [n_values]
};

#define SUMS_INIT ((struct sums){0})

void sums_init(struct sums *sums, const struct peers *peers); // as the buffers are
void sums_release(struct sums *sums);
// Values that are due at a position of what comes in.
size_t sums_due(const struct sums *sums, size_t position);
// Whether these, at that position, may be summed up.
bool sums_fit(const struct sums *sums, size_t position, const float *values, size_t n);
// They are about to be.
void sums_take(struct sums *sums, size_t neighbour, size_t position, const float *values);
// The chunk there was refused: what it was for may have changed.
void sums_spoil(struct sums *sums, size_t position);
// The next chunk of stream `out` is sent: it must be what is due.
void sums_sent(struct sums *sums, size_t out, const float *values, size_t n);
void sums_settled(struct sums *sums, size_t first, size_t n);
// The buffers hold what they must, and nothing has run ahead.
void sums_check(struct sums *sums);
// All has come, all was sent, and every value has settled once.
bool sums_complete(const struct sums *sums);
