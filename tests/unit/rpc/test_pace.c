#include "rpc/pace.h"
#include "rpc/rpc.h"
#include <criterion/criterion.h>

static const uint64_t total = UINT64_C(400) << 20;

Test(pace, a_fast_link_gets_full_chunks_soon)
{
    struct pace pace;
    pace_begin(&pace, total, false);
    int64_t now_ms = 1000;
    cr_assert(pace_next(&pace, total, now_ms) == PACE_FIRST_BYTES);
    for (int i = 0; i < 2; i++)
        pace_next(&pace, total, now_ms += 1);
    cr_assert(pace_next(&pace, total, now_ms + 1) == RPC_CHUNK_BYTES, "and never more");
}

Test(pace, a_few_chunks_are_full_at_once)
{
    struct pace pace;
    pace_begin(&pace, 4 << 20, false);
    cr_assert(pace_next(&pace, 4 << 20, 1000) == RPC_CHUNK_BYTES);
    pace_begin(&pace, 4 << 20, true);
    cr_assert(pace_next(&pace, 4 << 20, 1000) == PACE_CAREFUL_BYTES);
}

Test(pace, every_chunk_passes_in_a_moment_or_is_small)
{
    for (uint64_t rate = 1000; rate < 1000000000; rate *= 3) { // bytes a second
        struct pace pace;
        double now_ms = 1000, left = 1e9, took_ms = 0;
        size_t n = 0;
        pace_begin(&pace, (uint64_t)left, false);
        for (int i = 0; i < 60; i++) {
            n = pace_next(&pace, (uint64_t)left, (int64_t)now_ms);
            took_ms = (double)n / (double)rate * 1e3;
            now_ms += took_ms;
        }
        cr_assert(took_ms <= 410 || n == PACE_LEAST_BYTES, "%zu bytes take %g ms", n, took_ms);
    }
}

Test(pace, the_last_chunk_is_what_is_left)
{
    struct pace pace;
    pace_begin(&pace, total, false);
    cr_assert(pace_next(&pace, 5, 1000) == 5);
}
