// Every partition shares every sample out, by the seed alone.
#include "config/fields.h"
#include "config/yaml.h"
#include "data/partition.h"
#include <criterion/criterion.h>
#include <string.h>

enum { N_SAMPLES = 600, N_GROUPS = 5, N_LEARNERS = 7 };

static uint32_t groups[N_SAMPLES];

static void share(const struct partition_kind *kind, uint64_t seed, uint32_t owner[N_SAMPLES])
{
    struct arena arena = ARENA_INIT;
    struct document document = {0};
    struct error error = ERROR_INIT;
    void *options = arena_alloc(&arena, kind->kind.options_bytes + 1);
    cr_assert_eq(document_parse(&document, "", 0, "defaults", &error), 0);
    if (kind->kind.fields)
        cr_assert_eq(fields_read(kind->kind.fields, document.root, options, &arena, &error), 0, "%s",
                     error.message);
    for (uint32_t i = 0; i < N_SAMPLES; i++) {
        groups[i] = i * i % N_GROUPS;
        owner[i] = UINT32_MAX;
    }
    enum status status = kind->share(options, N_SAMPLES, kind->needs_groups ? groups : NULL, N_GROUPS,
                                     N_LEARNERS, seed, owner, &error);
    cr_assert_eq(status, STATUS_OK, "%s: %s", kind->kind.name, error.message);
    document_release(&document);
    arena_release(&arena);
}

// Kinds that group by a column of the file have their tests beside formats that have columns.
#define EACH_KIND(kind)                                                                                      \
    for (size_t k_ = 0; k_ < partitions.n_kinds; k_++)                                                       \
        for (const struct partition_kind *kind = (const struct partition_kind *)partitions.kinds[k_];        \
             kind && !kind->column; kind = NULL)

Test(partitions, every_sample_has_an_owner)
{
    uint32_t owner[N_SAMPLES];
    EACH_KIND(kind)
    {
        share(kind, 1, owner);
        for (size_t i = 0; i < N_SAMPLES; i++)
            cr_assert_lt(owner[i], N_LEARNERS, "%s: sample %zu", kind->kind.name, i);
    }
}

Test(partitions, every_learner_has_its_part)
{
    uint32_t owner[N_SAMPLES];
    EACH_KIND(kind)
    {
        size_t counts[N_LEARNERS] = {0};
        share(kind, 2, owner);
        for (size_t i = 0; i < N_SAMPLES; i++)
            counts[owner[i]]++;
        for (size_t i = 0; i < N_LEARNERS; i++)
            cr_assert_gt(counts[i], 0, "%s: learner %zu", kind->kind.name, i);
    }
}

Test(partitions, the_seed_decides_and_nothing_else)
{
    uint32_t one[N_SAMPLES], again[N_SAMPLES], other[N_SAMPLES];
    EACH_KIND(kind)
    {
        share(kind, 3, one);
        share(kind, 4, other);
        share(kind, 3, again);
        cr_assert_eq(memcmp(one, again, sizeof one), 0, "%s", kind->kind.name);
        cr_assert_neq(memcmp(one, other, sizeof one), 0, "%s", kind->kind.name);
    }
}
