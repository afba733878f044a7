#include "coordinator/headcount.h"
#include "base/memory.h"
#include <search.h>
#include <stdio.h>
#include <string.h>

struct headcount {
    char name[sizeof((struct rpc_peer *)0)->name];
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct headcount *)a)->name, ((const struct headcount *)b)->name);
}

static struct headcount *find(const struct headcounts *all, const struct rpc_peer *peer)
{
    struct headcount key;
    snprintf(key.name, sizeof key.name, "%s", peer->name);
    void *found = tfind(&key, &all->by_name, by_name);
    return found ? *(struct headcount **)found : NULL;
}

enum status headcount_check(struct headcounts *all, const struct rpc_peer *peer,
                            const struct headcount *known, int64_t most, struct error *error)
{
    const struct headcount *count = find(all, peer);
    if (!count || count == known || count->n < (size_t)most)
        return STATUS_OK;
    all->refused++;
    return error_set(
        error, STATUS_RESOURCE_EXHAUSTED,
        "'%s' speaks for '%zu' learners already, as many as one peer may; let some leave, or raise "
        "limits.learners_a_peer",
        peer->name, count->n);
}

struct headcount *headcount_add(struct headcounts *all, const struct rpc_peer *peer)
{
    struct headcount *count = find(all, peer);
    if (!count) {
        count = memory_zalloc(sizeof *count);
        if (!count)
            return NULL;
        snprintf(count->name, sizeof count->name, "%s", peer->name);
        if (!tsearch(count, &all->by_name, by_name))
            return memory_free(count);
    }
    count->n++;
    return count;
}

struct headcount *headcount_drop(struct headcounts *all, struct headcount *count)
{
    if (!count || --count->n)
        return NULL;
    tdelete(count, &all->by_name, by_name);
    return memory_free(count);
}

static void free_count(void *count)
{
    memory_free(count);
}

void headcount_release(struct headcounts *all)
{
    tdestroy(all->by_name, free_count);
    all->by_name = NULL;
}
