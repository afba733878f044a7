#include "base/deposit.h"
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { LINE_BYTES = 64, WORTH_BYTES = 4096 };

// Whole lines, to an aligned address; from any.
static void deposit_lines(char *restrict to, const char *restrict from, size_t n_lines)
{
    for (size_t i = 0; i < n_lines; i++, to += LINE_BYTES, from += LINE_BYTES) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
        _mm_stream_si128((__m128i *)(void *)to, a);
        _mm_stream_si128((__m128i *)(void *)(to + 16), b);
        _mm_stream_si128((__m128i *)(void *)(to + 32), c);
        _mm_stream_si128((__m128i *)(void *)(to + 48), d);
    }
    _mm_sfence();
}

void deposit(void *restrict to, const void *restrict from, size_t bytes)
{
    if (bytes < WORTH_BYTES) {
        memcpy(to, from, bytes);
        return;
    }
    size_t before = -(uintptr_t)to % LINE_BYTES, n_lines = (bytes - before) / LINE_BYTES;
    size_t done = before + n_lines * LINE_BYTES;
    memcpy(to, from, before);
    deposit_lines((char *)to + before, (const char *)from + before, n_lines);
    memcpy((char *)to + done, (const char *)from + done, bytes - done);
}
#else
void deposit(void *restrict to, const void *restrict from, size_t bytes)
{
    memcpy(to, from, bytes);
}
#endif
