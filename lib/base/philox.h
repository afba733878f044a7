// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). A stream is a pure function of its key, so nothing depends on the order in which
// streams are drawn and no state needs saving: a restarted learner draws the same numbers.
#pragma once

#include <stddef.h>
#include <stdint.h>

// What a stream is for; part of the key, so that two uses never share numbers. Never renumber.
enum random_purpose {
    RANDOM_INIT = 1,      // initial weights; `step` is the tensor's index
    RANDOM_PARTITION = 2, // which learner gets which sample
    RANDOM_SHUFFLE = 3,   // the order of samples in an epoch; `step` is the epoch
    RANDOM_DROPOUT = 4,   // `step` is the training step, `index` the layer
    RANDOM_SELECT = 5,    // which learners take part in a round
    RANDOM_JITTER = 6,    // backoff
    RANDOM_DATA = 7,      // generated data
    RANDOM_DELAY = 8,     // simulated delays
    RANDOM_CODEC = 9,
    RANDOM_PRIVACY = 10,
    RANDOM_TEST = 11,
    RANDOM_START = 19, // a learner's own initial weights, where each has its own
    RANDOM_GRAPH = 20, // the random graphs of gossip
    RANDOM_PROBE = 21, // which samples are shared unlabelled, and the order in which they are gone through
    RANDOM_SIMULATION = 30, // what is pretended of learners; `index` is an enum simulation_use
    RANDOM_HOLDOUT = 31,    // the samples that a learner keeps to evaluate on
};

struct random_key {
    uint64_t seed;
    uint32_t learner;
    uint32_t round;
    uint32_t step;
    uint16_t purpose; // enum random_purpose
    uint16_t index;
};

struct random {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned int n_left; // words of `block` not yet handed out
};

// The raw block function: ten rounds over `counter` with `key`.
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_block[4]);

struct random random_open(struct random_key key);
uint32_t random_u32(struct random *random);
uint64_t random_u64(struct random *random);
// The next `n` words into `ret`, as n calls of random_u32 would give them, several times as fast.
void random_words(struct random *random, size_t n, uint32_t *ret);
// Uniform in [0, 1), 24 bits.
float random_float(struct random *random);
// Uniform in [0, 1), 53 bits.
double random_double(struct random *random);
// Uniform in [0, n), unbiased (Lemire 2019); n > 0.
uint32_t random_below(struct random *random, uint32_t n);
// Standard normal (Box and Muller 1958), computed in double.
double random_normal(struct random *random);
// Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000).
double random_gamma(struct random *random, double shape);
// Fisher-Yates over `n` items.
void random_shuffle(struct random *random, uint32_t *items, size_t n);
