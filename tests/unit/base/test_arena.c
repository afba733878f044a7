#include "base/arena.h"
#include "base/memory.h"
#include <criterion/criterion.h>
#include <stdint.h>

Test(arena, blocks_are_zeroed_aligned_and_apart)
{
    struct arena arena = ARENA_INIT;
    unsigned char *last = NULL;
    for (size_t n = 1; n < 20000; n = n * 3 + 1) {
        unsigned char *block = arena_alloc(&arena, n);
        cr_assert(block && block != last);
        cr_assert_eq((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(block[i], 0);
        block[0] = block[n - 1] = 1;
        last = block;
    }
    arena_release(&arena);
    cr_assert_eq(arena.used_bytes, 0);
}

Test(arena, a_limit_is_kept)
{
    struct arena arena = {.limit_bytes = 100};
    cr_assert_not_null(arena_alloc(&arena, 64));
    cr_assert_null(arena_alloc(&arena, 64));
    cr_assert_not_null(arena_alloc(&arena, 16));
    arena_release(&arena);
}

Test(arena, a_failed_allocation_is_null_and_leaves_the_arena_whole)
{
    struct arena arena = ARENA_INIT;
    cr_assert_not_null(arena_alloc(&arena, 8));
    memory_fail_after(1);
    cr_assert_null(arena_alloc(&arena, 100000));
    cr_assert_str_eq(arena_format(&arena, "%d-%s", 7, "x"), "7-x");
    arena_release(&arena);
}
