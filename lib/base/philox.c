#include "base/philox.h"
#include "base/kernel.h"
#include <math.h>
#include <string.h>

static void multiply(uint32_t a, uint32_t b, uint32_t *high, uint32_t *low)
{
    uint64_t product = (uint64_t)a * b;
    *high = (uint32_t)(product >> 32);
    *low = (uint32_t)product;
}

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_block[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint32_t high0, low0, high1, low1;
        multiply(0xD2511F53, c0, &high0, &low0);
        multiply(0xCD9E8D57, c2, &high1, &low1);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    ret_block[0] = c0;
    ret_block[1] = c1;
    ret_block[2] = c2;
    ret_block[3] = c3;
}

// The 224-bit key is more than Philox takes beside a block counter, so a first Philox call mixes purpose,
// index and round into the seed.
struct random random_open(struct random_key key)
{
    uint32_t seed[2] = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32)};
    uint32_t name[4] = {key.learner, key.round, key.step, (uint32_t)key.purpose << 16 | key.index};
    uint32_t mixed[4];
    philox4x32(name, seed, mixed);
    return (struct random){.key = {mixed[0], mixed[1]}, .counter = {0, 0, mixed[2], mixed[3]}};
}

uint32_t random_u32(struct random *random)
{
    if (random->n_left == 0) {
        philox4x32(random->counter, random->key, random->block);
        if (++random->counter[0] == 0)
            random->counter[1]++;
        random->n_left = 4;
    }
    return random->block[4 - random->n_left--];
}

uint64_t random_u64(struct random *random)
{
    uint64_t low = random_u32(random);
    return low | (uint64_t)random_u32(random) << 32;
}

enum { LANES = 16 };

// philox4x32 over the `LANES` counters from {first, counter[1..3]} on; the words in the blocks' order.
KERNEL static void philox_lanes(uint32_t first, const struct random *random, uint32_t *restrict ret)
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    uint32_t k0 = random->key[0], k1 = random->key[1];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = first + i;
        c1[i] = random->counter[1];
        c2[i] = random->counter[2];
        c3[i] = random->counter[3];
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t a = (uint64_t)c0[i] * 0xD2511F53u, b = (uint64_t)c2[i] * 0xCD9E8D57u;
            c0[i] = (uint32_t)(b >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)b;
            c2[i] = (uint32_t)(a >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)a;
        }
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    for (int i = 0; i < LANES; i++) {
        ret[4 * i] = c0[i];
        ret[4 * i + 1] = c1[i];
        ret[4 * i + 2] = c2[i];
        ret[4 * i + 3] = c3[i];
    }
}

void random_words(struct random *random, size_t n, uint32_t *ret)
{
    size_t i = 0;
    while (i < n && random->n_left > 0)
        ret[i++] = random_u32(random);
    // Where the low counter would wrap, one block at a time carries into the next.
    for (; n - i >= 4 * LANES && random->counter[0] < UINT32_MAX - LANES; i += 4 * LANES) {
        philox_lanes(random->counter[0], random, ret + i);
        random->counter[0] += LANES;
    }
    while (i < n)
        ret[i++] = random_u32(random);
}

float random_float(struct random *random)
{
    return (float)(random_u32(random) >> 8) * 0x1p-24f;
}

double random_double(struct random *random)
{
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

uint32_t random_below(struct random *random, uint32_t n)
{
    uint64_t product = (uint64_t)random_u32(random) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = -n % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)random_u32(random) * n;
    }
    return (uint32_t)(product >> 32);
}

double random_normal(struct random *random)
{
    double radius = sqrt(-2 * log(1 - random_double(random)));
    return radius * cos(2 * M_PI * random_double(random));
}

double random_gamma(struct random *random, double shape)
{
    if (shape < 1) { // Gamma(a) = Gamma(a + 1) * U^(1/a)
        double u = 1 - random_double(random);
        return random_gamma(random, shape + 1) * pow(u, 1 / shape);
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = random_normal(random), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - random_double(random)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

void random_shuffle(struct random *random, uint32_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below(random, (uint32_t)i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
