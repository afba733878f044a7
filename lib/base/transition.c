#include "base/transition.h"

bool transition_allowed(const struct transition *table, size_t n, int from, int to)
{
    if (from == to)
        return true;
    for (size_t i = 0; i < n; i++)
        if (table[i].from == from && table[i].to == to)
            return true;
    return false;
}
