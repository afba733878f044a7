#include "base/digest.h"
#include <stdio.h>
#include <string.h>

enum { LANES = 8 };

// One to one in `word` and in `lane`: two contents that differ in one word never get the same digest. The
// shift brings high bits back down, where the product alone would let two changed signs cancel out.
static inline uint64_t mix(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return lane ^ lane >> 32;
}

uint64_t digest_of(const void *data, size_t bytes)
{
    const char *at = data;
    uint64_t lanes[LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, words[LANES], digest = bytes;
    for (; bytes >= sizeof words; bytes -= sizeof words, at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (size_t k = 0; k < LANES; k++)
            lanes[k] = mix(lanes[k], words[k]);
    }
    memset(words, 0, sizeof words);
    if (bytes)
        memcpy(words, at, bytes);
    for (size_t k = 0; k < LANES; k++)
        digest = mix(digest, mix(lanes[k], words[k]));
    return mix(digest, 0);
}

void digest_hex(uint64_t digest, char ret[DIGEST_HEX_BYTES])
{
    snprintf(ret, DIGEST_HEX_BYTES, "%016llx", (unsigned long long)digest);
}
