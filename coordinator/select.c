#include "coordinator/select.h"
#include "base/philox.h"
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void select_uniform(uint64_t seed, uint32_t round, uint32_t *members, size_t n_members, size_t n)
{
    if (n < n_members) {
        struct random random =
            random_open((struct random_key){.seed = seed, .round = round, .purpose = RANDOM_SELECT});
        for (size_t i = 0; i < n; i++) { // the first n steps of Fisher and Yates' shuffle
            size_t j = i + random_below(&random, (uint32_t)(n_members - i));
            uint32_t member = members[i];
            members[i] = members[j];
            members[j] = member;
        }
    }
    qsort(members, n, sizeof members[0], ascending);
}
