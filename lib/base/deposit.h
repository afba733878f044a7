// Copies to memory that is not read again soon.
#pragma once

#include <stddef.h>

// memcpy past the caches: `to` is written without being read first, and pushes nothing out of them. For the
// pieces of a vector that is larger than a cache, as they arrive; slower than memcpy where the copy is read
// at once. What was written is seen by other threads as after any other copy.
void deposit(void *restrict to, const void *restrict from, size_t bytes);
