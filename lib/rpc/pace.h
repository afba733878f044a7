// How large a chunk may be so that it passes in a moment: on a slow link a large one would look as if nothing
// moved, and be lost as a whole when the link breaks.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_LEAST_BYTES = 16 << 10, PACE_FIRST_BYTES = 256 << 10, PACE_CAREFUL_BYTES = 64 << 10 };

struct pace {
    size_t bytes;
    int64_t since_ms; // when the last chunk was handed over; 0: none was
};

// For `total` bytes to come. `careful`: the link is known to break, or to be slow.
void pace_begin(struct pace *pace, uint64_t total, bool careful);
// The size of the next chunk of at most `left` bytes; the one before has gone by now.
size_t pace_next(struct pace *pace, uint64_t left, int64_t now_ms);
