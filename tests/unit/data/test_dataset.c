#include "base/memory.h"
#include "data/dataset.h"
#include <criterion/criterion.h>

static struct dataset small(enum target_type type)
{
    struct dataset dataset = {.sample = {.rank = 1, .extents = {2}}, .target_type = type, .n_outputs = 3};
    cr_assert_eq(dataset_reserve(&dataset, 4, NULL), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        dataset.features[2 * i] = (float)i;
        dataset.features[2 * i + 1] = (float)-i;
        if (type == TARGET_CLASS)
            dataset.classes[i] = 10 + i;
        for (int k = 0; type == TARGET_VALUES && k < 3; k++)
            dataset.values[3 * i + k] = (float)(100 * i + k);
    }
    return dataset;
}

Test(dataset, a_part_is_gathered_by_its_rows_in_the_order_asked)
{
    struct dataset dataset = small(TARGET_CLASS);
    struct part part = {.dataset = &dataset, .rows = (uint32_t[]){1, 3, 0}, .n_samples = 3};
    float features[4];
    int32_t classes[2];
    part_gather(&part, (uint32_t[]){2, 1}, 0, 2, features, classes, NULL);
    cr_assert_arr_eq(features, ((float[]){0, 0, 3, -3}), sizeof features);
    cr_assert_arr_eq(classes, ((int32_t[]){10, 13}), sizeof classes);
    part_gather(&part, NULL, 1, 2, features, classes, NULL);
    cr_assert_arr_eq(classes, ((int32_t[]){13, 10}), sizeof classes);
    part.rows = NULL;
    part_gather(&part, NULL, 1, 2, features, classes, NULL);
    cr_assert_arr_eq(classes, ((int32_t[]){11, 12}), sizeof classes);
    dataset_release(&dataset);
}

Test(dataset, values_are_gathered_a_row_at_a_time)
{
    struct dataset dataset = small(TARGET_VALUES);
    struct part part = {.dataset = &dataset, .rows = (uint32_t[]){1, 3}, .n_samples = 2};
    float features[2], values[3];
    part_gather(&part, (uint32_t[]){1}, 0, 1, features, NULL, values);
    cr_assert_arr_eq(values, ((float[]){300, 301, 302}), sizeof values);
    dataset_release(&dataset);
}

Test(dataset, running_out_of_memory_leaves_nothing_behind)
{
    for (unsigned long nth = 1; nth <= 2; nth++) {
        struct dataset dataset = {.sample = {.rank = 1, .extents = {2}}, .n_outputs = 3};
        struct error error = ERROR_INIT;
        memory_fail_after(nth);
        cr_assert_eq(dataset_reserve(&dataset, 4, &error), STATUS_RESOURCE_EXHAUSTED);
        cr_assert(strstr(error.message, "4 samples of 2 numbers"));
        cr_assert_null(dataset.features);
    }
    struct dataset dataset = {.sample = {.rank = 1, .extents = {SIZE_MAX / 2}}, .n_outputs = 3};
    cr_assert_eq(dataset_reserve(&dataset, 4, NULL), STATUS_RESOURCE_EXHAUSTED);
}
