#include "base/arena.h"
#include "base/memory.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
};

enum { BLOCK_BYTES = 8 << 10 };

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (arena->limit_bytes && arena->used_bytes + bytes > arena->limit_bytes)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES;
        block = memory_zalloc(sizeof *block + capacity);
        if (!block)
            return NULL;
        block->capacity = capacity;
        if (arena->blocks && capacity == bytes) { // a block of its own goes behind the one still filling
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            block->next = arena->blocks;
            arena->blocks = block;
        }
    }
    void *data = block->data + block->used;
    block->used += bytes;
    arena->used_bytes += bytes;
    return data;
}

void *arena_array(struct arena *arena, size_t n, size_t bytes)
{
    if (bytes && n > SIZE_MAX / 2 / bytes)
        return NULL;
    return arena_alloc(arena, n * bytes);
}

char *arena_copy_bytes(struct arena *arena, const char *bytes, size_t n)
{
    char *copy = arena_alloc(arena, n + 1);
    if (copy)
        memcpy(copy, bytes, n);
    return copy;
}

char *arena_copy_text(struct arena *arena, const char *text)
{
    return arena_copy_bytes(arena, text, strlen(text));
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void arena_release(struct arena *arena)
{
    struct arena_block *next;
    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        memory_free(block);
    }
    *arena = (struct arena){.limit_bytes = arena->limit_bytes};
}
