#include "base/memory.h"
#include "nn/tensor.h"
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

static const struct shape weight = {2, {3, 4}}, bias = {1, {3}};

static struct layout two_tensors(void)
{
    struct layout layout = LAYOUT_INIT;
    cr_assert_eq(layout_add(&layout, "0.weight", &weight, NULL), STATUS_OK);
    cr_assert_eq(layout_add(&layout, "0.bias", &bias, NULL), STATUS_OK);
    return layout;
}

Test(tensor, lie_back_to_back)
{
    struct layout layout = two_tensors();
    cr_assert_eq(layout.n_tensors, 2);
    cr_assert_eq(layout.n_parameters, 15);
    cr_assert_eq(layout.tensors[0].offset, 0);
    cr_assert_eq(layout.tensors[1].offset, 12);
    cr_assert_str_eq(layout.tensors[1].name, "0.bias");
    layout_release(&layout);
    cr_assert_null(layout.tensors);
}

Test(tensor, a_copy_equals_its_original_until_anything_differs)
{
    struct layout layout = two_tensors(), copy;
    cr_assert_eq(layout_copy(&copy, &layout, NULL), STATUS_OK);
    cr_assert(layout_equal(&layout, &copy));
    copy.tensors[1].name[0] = '1';
    cr_assert_not(layout_equal(&layout, &copy));
    strcpy(copy.tensors[1].name, "0.bias");
    copy.tensors[0].shape = (struct shape){2, {4, 3}};
    cr_assert_not(layout_equal(&layout, &copy));
    copy.tensors[0].shape = weight;
    cr_assert(layout_equal(&layout, &copy));
    cr_assert_eq(layout_add(&copy, "1.bias", &bias, NULL), STATUS_OK);
    cr_assert_not(layout_equal(&layout, &copy));
    layout_release(&layout);
    layout_release(&copy);
}

Test(tensor, refuses_empty_and_huge_shapes)
{
    struct layout layout = two_tensors();
    struct error error = ERROR_INIT;
    const struct shape bad[] = {
        {1, {0}}, {2, {1ull << 32, 1ull << 32}}, {3, {1ull << 31, 2, 1}}, {1, {SIZE_MAX}}, {5, {1, 1, 1, 1}}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_assert_eq(layout_add(&layout, "2.weight", &bad[i], &error), STATUS_INVALID_ARGUMENT);
        cr_assert_not_null(strstr(error.message, "'2.weight'"));
    }
    // The sum counts, not each tensor: 15 floats are already there.
    struct shape rest = {1, {TENSOR_FLOATS_MAX - 14}};
    cr_assert_eq(layout_add(&layout, "2.weight", &rest, &error), STATUS_INVALID_ARGUMENT);
    rest.extents[0]--;
    cr_assert_eq(layout_add(&layout, "2.weight", &rest, &error), STATUS_OK);
    layout_release(&layout);
}

Test(tensor, refuses_a_name_that_does_not_fit)
{
    struct layout layout = LAYOUT_INIT;
    struct error error = ERROR_INIT;
    char name[TENSOR_NAME_BYTES + 1];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(layout_add(&layout, name, &bias, &error), STATUS_INVALID_ARGUMENT);
    name[TENSOR_NAME_BYTES - 1] = '\0';
    cr_assert_eq(layout_add(&layout, name, &bias, &error), STATUS_OK);
    layout_release(&layout);
}

Test(tensor, running_out_of_memory_leaves_the_layout_as_it_was)
{
    struct layout layout = two_tensors(), copy = LAYOUT_INIT;
    memory_fail_after(1);
    cr_assert_eq(layout_add(&layout, "2.bias", &bias, NULL), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_eq(layout.n_tensors, 2);
    memory_fail_after(1);
    cr_assert_eq(layout_copy(&copy, &layout, NULL), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_null(copy.tensors);
    memory_fail_after(0);
    layout_release(&layout);
}
