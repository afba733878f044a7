#include "base/digest.h"
#include "base/kernel.h"
#include <stdio.h>
#include <string.h>

static const uint64_t key_step = UINT64_C(0x9e3779b97f4a7c15); // odd, as the factors are

// One to one in `word`: contents that differ in one word never have the same sum. Each word's place makes its
// key, so that exchanged words differ too. The mixer is MurmurHash3's finalizer (Appleby 2011), shortened.
static inline uint64_t mix(uint64_t word, uint64_t key)
{
    uint64_t x = (word ^ key) * UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 32;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 29;
}

typedef uint64_t any_word __attribute__((aligned(1), may_alias));

KERNEL static uint64_t sum_words(const any_word *words, size_t n, uint64_t key)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += mix(words[i], key + (uint64_t)i * key_step);
    return sum;
}

uint64_t digest_part(uint64_t at, const void *data, size_t bytes)
{
    size_t n = bytes / DIGEST_WORD_BYTES, rest = bytes % DIGEST_WORD_BYTES;
    uint64_t key = (at / DIGEST_WORD_BYTES + 1) * key_step, last = 0;
    uint64_t sum = sum_words(data, n, key);
    if (rest == 0)
        return sum;
    memcpy(&last, (const char *)data + n * DIGEST_WORD_BYTES, rest);
    return sum + mix(last, key + (uint64_t)n * key_step);
}

uint64_t digest_close(uint64_t sum, uint64_t bytes)
{
    return mix(mix(sum, bytes), key_step);
}

uint64_t digest_of(const void *data, size_t bytes)
{
    return digest_close(digest_part(0, data, bytes), bytes);
}

void digest_hex(uint64_t digest, char ret[DIGEST_HEX_BYTES])
{
    snprintf(ret, DIGEST_HEX_BYTES, "%016llx", (unsigned long long)digest);
}
