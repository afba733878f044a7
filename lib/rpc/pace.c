#include "rpc/pace.h"
#include "rpc/rpc.h"

// Few chunks are not worth a small start: it would cost them more than it could save.
enum { LARGE_CHUNKS = 16, QUICK_MS = 60, SLOW_MS = 400 };

void pace_begin(struct pace *pace, uint64_t total, bool careful)
{
    bool many = total >= (uint64_t)LARGE_CHUNKS * RPC_CHUNK_BYTES;
    *pace = (struct pace){.bytes = careful ? PACE_CAREFUL_BYTES : many ? PACE_FIRST_BYTES : RPC_CHUNK_BYTES};
}

size_t pace_next(struct pace *pace, uint64_t left, int64_t now_ms)
{
    int64_t took_ms = now_ms - pace->since_ms;
    if (pace->since_ms && took_ms < QUICK_MS && pace->bytes < RPC_CHUNK_BYTES)
        pace->bytes *= 2;
    else if (pace->since_ms && took_ms > SLOW_MS && pace->bytes > PACE_LEAST_BYTES)
        pace->bytes /= 2;
    pace->since_ms = now_ms;
    return left < pace->bytes ? (size_t)left : pace->bytes;
}
