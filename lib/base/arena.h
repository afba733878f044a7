// Memory that lives as long as one thing does (a document, a request, an experiment): many small blocks, one
// free.
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used_bytes;
    size_t
        limit_bytes; // 0 for none; allocations beyond it return NULL, so that a hostile input stays bounded
};

#define ARENA_INIT ((struct arena){0})

// Zeroed, 16-byte aligned; NULL when out of memory or over the limit.
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_array(struct arena *arena, size_t n, size_t bytes);
char *arena_copy_text(struct arena *arena, const char *text);
char *arena_copy_bytes(struct arena *arena, const char *bytes, size_t n); // adds the closing NUL
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Frees every block; the arena is empty and usable again.
void arena_release(struct arena *arena);
