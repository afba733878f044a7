// Tables of the moves that a state machine may make, so that an impossible one is caught where it happens.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct transition {
    int from;
    int to;
};

// True when the table has the move, or when from == to.
bool transition_allowed(const struct transition *table, size_t n, int from, int to);
