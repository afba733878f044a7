#include "base/shape.h"
#include <stdio.h>
#include <string.h>

size_t shape_size(const struct shape *shape)
{
    size_t size = 1;
    for (unsigned int i = 0; i < shape->rank; i++)
        size *= shape->extents[i];
    return size;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    return a->rank == b->rank && memcmp(a->extents, b->extents, a->rank * sizeof a->extents[0]) == 0;
}

void shape_format(const struct shape *shape, char *ret, size_t bytes)
{
    char text[128] = "[";
    size_t n = 1;
    for (unsigned int i = 0; i < shape->rank; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%zu", i ? ", " : "", shape->extents[i]);
    snprintf(ret, bytes, "%s]", text);
}
