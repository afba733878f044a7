#include "algorithm/batch.h"
#include "base/memory.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <string.h>

static struct toy toy;

static void make_toy(enum toy_targets targets)
{
    cr_assert_eq(toy_init(&toy, targets, 12, 3, 2, 2, NULL), STATUS_OK);
}

Test(batch, loads_samples_in_the_order_given)
{
    make_toy(TOY_CLASSES);
    const struct part *part = &toy.parts[1];
    struct batch batch = BATCH_INIT;
    cr_assert_eq(batch_init(&batch, part, 3, NULL), STATUS_OK);
    const uint32_t order[] = {0, 5, 2, 7, 1};
    batch_load(&batch, part, order, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        uint32_t row = part->rows[order[1 + i]];
        cr_assert_eq(memcmp(batch.features + 3 * i, toy.dataset.features + 3 * row, 3 * sizeof(float)), 0);
        cr_assert_eq(batch.targets.classes[i], toy.dataset.classes[row]);
    }
    batch_release(&batch);
    toy_release(&toy);
}

Test(batch, loads_values_in_the_parts_own_order)
{
    make_toy(TOY_VALUES);
    const struct part *part = &toy.parts[1];
    struct batch batch = BATCH_INIT;
    cr_assert_eq(batch_init(&batch, part, 100, NULL), STATUS_OK);
    batch_load(&batch, part, NULL, 4, 4);
    cr_assert_eq(batch.targets.type, TARGET_VALUES);
    for (size_t i = 0; i < 4; i++) {
        uint32_t row = part->rows[4 + i];
        cr_assert_eq(memcmp(batch.features + 3 * i, toy.dataset.features + 3 * row, 3 * sizeof(float)), 0);
        cr_assert_eq(memcmp(batch.targets.values + 2 * i, toy.dataset.values + 2 * row, 2 * sizeof(float)),
                     0);
    }
    batch_release(&batch);
    toy_release(&toy);
}

Test(batch, what_lies_together_stays_where_it_is)
{
    make_toy(TOY_VALUES);
    uint32_t rows[] = {4, 5, 6, 9, 10, 8};
    const struct part part = {&toy.dataset, rows, 6};
    const struct dataset *dataset = &toy.dataset;
    const struct {
        size_t first, n;
        bool stays;
    } cases[] = {{0, 3, true}, {1, 2, true}, {3, 2, true}, {5, 1, true}, {2, 2, false}, {4, 2, false}};
    struct batch batch = BATCH_INIT;
    cr_assert_eq(batch_init(&batch, &part, 6, NULL), STATUS_OK);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        batch_load(&batch, &part, NULL, cases[k].first, cases[k].n);
        uint32_t row = rows[cases[k].first];
        cr_expect_eq(batch.features == dataset->features + 3 * row, cases[k].stays, "case %zu", k);
        cr_expect_eq(batch.targets.values == dataset->values + 2 * row, cases[k].stays, "case %zu", k);
        for (size_t i = 0; i < cases[k].n; i++) {
            row = rows[cases[k].first + i];
            cr_expect_eq(memcmp(batch.features + 3 * i, dataset->features + 3 * row, 3 * sizeof(float)), 0);
            cr_expect_eq(memcmp(batch.targets.values + 2 * i, dataset->values + 2 * row, 2 * sizeof(float)),
                         0);
        }
    }
    batch_load(&batch, &(struct part){dataset, NULL, 12}, NULL, 2, 3);
    cr_expect_eq(batch.features, dataset->features + 3 * 2);
    batch_release(&batch);
    toy_release(&toy);
}

Test(batch, running_out_of_memory_is_an_error)
{
    make_toy(TOY_VALUES);
    for (unsigned long nth = 1; nth <= 2; nth++) {
        struct batch batch = BATCH_INIT;
        struct error error = ERROR_INIT;
        memory_fail_after(nth);
        cr_assert_eq(batch_init(&batch, &toy.all, 4, &error), STATUS_RESOURCE_EXHAUSTED);
        cr_assert_null(batch.features);
    }
    memory_fail_after(0);
    toy_release(&toy);
}
