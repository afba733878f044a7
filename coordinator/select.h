// Which members take part in a round.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Chooses `n` of the `n_members` slots in `members`, uniformly without replacement, as a function of seed and
// round alone; the chosen come first, ascending. n <= n_members.
void select_uniform(uint64_t seed, uint32_t round, uint32_t *members, size_t n_members, size_t n);
