#include "base/memory.h"
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Vectors from this size on lie in huge pages, where copying them in and out of the kernel takes less time;
// and so does, from the first one on, what the heap holds of streams that carry them.
enum { HUGE_PAGE_BYTES = 2 << 20, HUGE_BYTES_MIN = 16 << 20, HEAP_PAD_BYTES = 64 << 20 };

static char *heap_begin; // the heap's end when it was tuned, in main; NULL: it was not

// A test's fault; the one mutable global outside main, never set by programs.
static atomic_ulong fail_after;

static bool fault(void)
{
    return atomic_load_explicit(&fail_after, memory_order_relaxed) && atomic_fetch_sub(&fail_after, 1) == 1;
}

void memory_fail_after(unsigned long n)
{
    atomic_store(&fail_after, n);
}

void *memory_alloc(size_t bytes)
{
    return fault() ? NULL : malloc(bytes ? bytes : 1);
}

void *memory_zalloc(size_t bytes)
{
    return fault() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *memory_array(size_t n, size_t bytes)
{
    return fault() ? NULL : calloc(n ? n : 1, bytes ? bytes : 1);
}

void *memory_resize(void *block, size_t n, size_t bytes)
{
    return fault() ? NULL : reallocarray(block, n ? n : 1, bytes ? bytes : 1);
}

char *memory_copy_text(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = memory_alloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *memory_format(const char *format, ...)
{
    if (fault())
        return NULL;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    return n < 0 ? NULL : text;
}

// Huge pages where the system has them; what is not touched yet still takes no memory.
static void advise_huge(void *begin, void *end)
{
    const uintptr_t mask = HUGE_PAGE_BYTES - 1;
    uintptr_t first = ((uintptr_t)begin + mask) & ~mask, last = (uintptr_t)end & ~mask;
    if (first < last)
        madvise((void *)first, last - first, MADV_HUGEPAGE);
}

float *memory_floats(size_t n)
{
    if (n > SIZE_MAX / sizeof(float) - 64 || fault())
        return NULL;
    size_t bytes = (n * sizeof(float) + 63) & ~(size_t)63;
    bool huge = bytes >= HUGE_BYTES_MIN;
    void *block = NULL;
    if (posix_memalign(&block, huge ? HUGE_PAGE_BYTES : 64, bytes ? bytes : 64))
        return NULL;
    if (huge)
        advise_huge(block, (char *)block + bytes);
    if (huge && heap_begin)
        advise_huge(heap_begin, sbrk(0)); // it may have grown
    return memset(block, 0, bytes);
}

void *memory_free(void *block)
{
    free(block);
    return NULL;
}

void memory_cleanup(void *pointer_to_block)
{
    free(*(void **)pointer_to_block);
}

void memory_tune_for_streams(void)
{
    mallopt(M_ARENA_MAX, 1); // each arena keeps what its threads once had under way: memory by the thread
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, HEAP_PAD_BYTES);
    heap_begin = sbrk(0);
    mallopt(M_MMAP_THRESHOLD,
            32 << 20); // the most that is possible; setting any of these stops it from growing
}

// A line of /proc/self/status in bytes. (getrusage's maximum also counts the process that this one was
// spawned from.)
static size_t status_bytes(const char *key)
{
    char line[256];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kilobytes = strtoul(line + strlen(key), NULL, 10);
            break;
        }
    }
    fclose(file);
    return kilobytes * 1024;
}

size_t memory_peak_rss(void)
{
    return status_bytes("VmHWM:");
}

size_t memory_rss(void)
{
    return status_bytes("VmRSS:");
}

// A file of one number, in bytes; what is none ("max") bounds nothing.
static size_t bound_in(const char *path)
{
    unsigned long long bytes = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    int n = fscanf(file, "%llu", &bytes);
    fclose(file);
    return n == 1 && bytes ? (size_t)bytes : SIZE_MAX;
}

size_t memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    size_t second =
        bound_in("/sys/fs/cgroup/memory.max"); // of control groups version 2, as a container sees it
    size_t first = bound_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    size_t least = second < first ? second : first;
    least = machine < least ? machine : least;
    return least == SIZE_MAX ? 0 : least;
}
