// Allocation that may fail and says so. Every heap block of Cohort's own comes from here, so that a test can
// make the nth allocation fail and see that nothing breaks.
#pragma once

#include <stddef.h>

// Like malloc, calloc and reallocarray: NULL when out of memory (or when n * bytes overflows).
void *memory_alloc(size_t bytes) __attribute__((malloc, alloc_size(1)));
void *memory_zalloc(size_t bytes) __attribute__((malloc, alloc_size(1)));
void *memory_array(size_t n, size_t bytes) __attribute__((malloc, alloc_size(1, 2))); // zeroed
void *memory_resize(void *block, size_t n, size_t bytes);
char *memory_copy_text(const char *text) __attribute__((malloc));
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// For vectors that kernels stream through: 64-byte aligned, zeroed lazily by the kernel when large. Freed
// with memory_free like any other block.
float *memory_floats(size_t n);

// Frees `block` (which may be NULL) and returns NULL.
void *memory_free(void *block);

// For tests: the nth allocation from now (1 is the next) fails, once; 0 switches the fault off.
void memory_fail_after(unsigned long n);

// Tells the C library's allocator to keep freed memory instead of trimming the heap, and to keep it in one
// place for all threads. Heap trimming halves the speed of streams, and memory kept by the thread adds up
// (measured: docs/benchmarks.md), so every program that moves parameters calls this first in main.
void memory_tune_for_streams(void);

// Peak and current resident size of this process in bytes; 0 when the system does not tell.
size_t memory_peak_rss(void);
size_t memory_rss(void);
// What the process may use at most: its control group's bound, or the machine's memory; 0: not told.
size_t memory_limit(void);

// Usage: `cleanup_free char *text = ...;` frees at the end of the scope.
void memory_cleanup(void *pointer_to_block);
#define cleanup_free __attribute__((cleanup(memory_cleanup)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
// What `pointer` points to a member of.
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
