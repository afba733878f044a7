#include "coordinator/downlink.h"
#include "base/memory.h"
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

struct counted {
    atomic_uint references;
    struct coded coded; // the last: its bytes follow
};

static struct counted *counted(const struct coded *coded)
{
    return (struct counted *)((uintptr_t)coded - offsetof(struct counted, coded));
}

struct coded *coded_new(size_t n_bytes)
{
    struct counted *block = memory_alloc(sizeof *block + n_bytes);
    if (!block)
        return NULL;
    atomic_init(&block->references, 1);
    block->coded = (struct coded){.n_bytes = n_bytes};
    return &block->coded;
}

struct coded *coded_ref(struct coded *coded)
{
    atomic_fetch_add_explicit(&counted(coded)->references, 1, memory_order_relaxed);
    return coded;
}

struct coded *coded_unref(struct coded *coded)
{
    if (coded && atomic_fetch_sub_explicit(&counted(coded)->references, 1, memory_order_acq_rel) == 1)
        memory_free(counted(coded));
    return NULL;
}

void coded_release(void *coded)
{
    coded_unref(coded);
}

static void drop_first(struct downlink *downlink, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        coded_unref(downlink->kept[i]);
    downlink->n -= n;
    memmove(downlink->kept, downlink->kept + n, downlink->n * sizeof *downlink->kept);
}

void downlink_release(struct downlink *downlink)
{
    drop_first(downlink, downlink->n);
}

void downlink_add(struct downlink *downlink, struct coded *coded, uint64_t model_bytes)
{
    if (!coded || !coded->differs ||
        (downlink->n && downlink->kept[downlink->n - 1]->round + 1 != coded->round))
        drop_first(downlink, downlink->n);
    if (!coded)
        return;
    uint64_t bytes = coded->n_bytes;
    unsigned int n; // to be kept
    for (n = 0; n < downlink->n && n + 1 < DOWNLINK_KEPT_MAX; n++) {
        bytes += downlink->kept[downlink->n - 1 - n]->n_bytes;
        if (bytes >= model_bytes)
            break;
    }
    drop_first(downlink, downlink->n - n);
    downlink->kept[downlink->n++] = coded;
}

// The number of the one of that round, or `n`.
static unsigned int place_of(const struct downlink *downlink, uint32_t round)
{
    unsigned int i = 0;
    while (i < downlink->n && downlink->kept[i]->round != round)
        i++;
    return i;
}

struct coded_parts downlink_find(const struct downlink *downlink, uint32_t round, uint32_t held_round,
                                 const char *held)
{
    unsigned int last = place_of(downlink, round), first = last;
    struct coded_parts found = {0};
    if (last == downlink->n)
        return found;
    if (downlink->kept[last]->differs) {
        first = held_round < round ? place_of(downlink, held_round + 1) : downlink->n;
        if (first == downlink->n || !downlink->kept[first]->differs ||
            (held && strcmp(held, downlink->kept[first]->base) != 0))
            return found;
    }
    found.parts = downlink->kept + first;
    found.n = last + 1 - first;
    for (unsigned int i = 0; i < found.n; i++)
        found.bytes += found.parts[i]->n_bytes;
    return found;
}
