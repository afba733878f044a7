#include "base/file.h"
#include "base/memory.h"
#include "store/safetensors.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cohort-test-safetensors-read-XXXXXX";
static char path[128];
static struct error error;

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
}

static void drop_folder(void)
{
    file_remove_tree(folder);
}

TestSuite(safetensors_read, .init = make_folder, .fini = drop_folder);

// A file with this header and these values, read.
static enum status read_file(const char *json, const void *data, size_t n, struct layout *layout,
                             float **values)
{
    struct bytes bytes = BYTES_INIT;
    uint64_t length = strlen(json);
    bytes_append(&bytes, &length, sizeof length);
    bytes_text(&bytes, json);
    bytes_append(&bytes, data, n);
    cr_assert_eq(file_write(path, bytes.data, bytes.n, false, &error), 0);
    bytes_release(&bytes);
    return safetensors_read(path, layout, values, &error);
}

static void refuse(const char *json, size_t n, enum status status, const char *reason)
{
    struct layout layout = LAYOUT_INIT;
    float *values = NULL;
    static const float zeros[64];
    enum status got = read_file(json, zeros, n, &layout, &values);
    cr_assert_eq(got, status, "%s: %s", json, error.message);
    cr_assert(strstr(error.message, reason), "'%s' lacks '%s'", error.message, reason);
    cr_assert(strstr(error.message, path), "'%s' lacks the path", error.message);
    cr_assert_not(values);
    cr_assert_eq(layout.n_tensors, 0);
}

static void accept(const char *json, const void *data, size_t n, const float *expected, size_t n_values)
{
    struct layout layout = LAYOUT_INIT;
    float *values = NULL;
    cr_assert_eq(read_file(json, data, n, &layout, &values), 0, "%s", error.message);
    cr_assert_eq(layout.n_parameters, n_values);
    for (size_t i = 0; i < n_values; i++)
        cr_assert(values[i] == expected[i], "value %zu is %g, not %g", i, values[i], expected[i]);
    layout_release(&layout);
    memory_free(values);
}

#define TENSOR(name, dtype, shape, begin, end)                                                               \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

Test(safetensors_read, half_precision_is_widened)
{
    // 1, -2, 65504 (the largest), 2^-24 (the smallest), 2^-14, -0
    const uint16_t bits[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400, 0x8000};
    const float expected[] = {1, -2, 65504, 0x1p-24f, 0x1p-14f, 0};
    accept("{" TENSOR("a", "F16", "[6]", 0, 12) "}", bits, sizeof bits, expected, 6);
}

Test(safetensors_read, bfloat16_is_widened)
{
    const uint16_t bits[] = {0x3F80, 0xC040, 0x0080};
    const float expected[] = {1, -3, 0x1p-126f};
    accept("{" TENSOR("a", "BF16", "[3]", 0, 6) "}", bits, sizeof bits, expected, 3);
}

Test(safetensors_read, double_precision_is_rounded)
{
    const double wide[] = {0.1, -1e-300};
    const float expected[] = {0.1f, 0};
    accept("{" TENSOR("a", "F64", "[2]", 0, 16) "}", wide, sizeof wide, expected, 2);
}

Test(safetensors_read, tensors_come_in_the_order_of_their_offsets)
{
    const float data[] = {1, 2, 3};
    accept("{" TENSOR("z", "F32", "[1]", 8, 12) "," TENSOR("a", "F32", "[2,1]", 0, 8) "}", data, sizeof data,
           data, 3);
}

Test(safetensors_read, values_that_are_no_number_are_refused_and_say_where)
{
    struct layout layout = LAYOUT_INIT;
    float *values = NULL;
    const float data[] = {1, NAN, 3};
    enum status status =
        read_file("{" TENSOR("w", "F32", "[3]", 0, 12) "}", data, sizeof data, &layout, &values);
    cr_assert_eq(status, STATUS_DATA_LOSS);
    cr_assert(strstr(error.message, "value 1 of tensor 'w' is not a number"), "%s", error.message);
    const double wide[] = {1e39};
    status = read_file("{" TENSOR("w", "F64", "[1]", 0, 8) "}", wide, sizeof wide, &layout, &values);
    cr_assert_eq(status, STATUS_DATA_LOSS);
    cr_assert(strstr(error.message, "infinite in float32"), "%s", error.message);
    cr_assert_not(values);
}

Test(safetensors_read, headers_that_lie_are_refused)
{
    refuse("{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[2]", 4, 12) "}", 12, STATUS_DATA_LOSS,
           "overlaps");
    refuse("{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 8, 12) "}", 12, STATUS_DATA_LOSS,
           "gap");
    refuse("{" TENSOR("a", "F32", "[2]", 0, 8) "}", 4, STATUS_DATA_LOSS, "past the end");
    refuse("{" TENSOR("a", "F32", "[1]", 0, 4) "}", 8, STATUS_DATA_LOSS, "bytes follow");
    refuse("{" TENSOR("a", "F32", "[3]", 0, 8) "}", 8, STATUS_DATA_LOSS, "shape");
    refuse("{" TENSOR("a", "F32", "[1]", 8, 4) "}", 8, STATUS_DATA_LOSS, "before it begins");
    refuse("{" TENSOR("a", "F32", "[0]", 0, 0) "}", 0, STATUS_DATA_LOSS, "extent");
    refuse("{" TENSOR("a", "F32", "[-1]", 0, 4) "}", 4, STATUS_DATA_LOSS, "extent");
    refuse("{" TENSOR("a", "F32", "[4294967296,4294967296]", 0, 4) "}", 4, STATUS_DATA_LOSS, "larger than");
    refuse("{" TENSOR("a", "F32", "[9223372036854775807]", 0, 4) "}", 4, STATUS_DATA_LOSS, "larger than");
    refuse("{" TENSOR("a", "F32", "[1.5]", 0, 4) "}", 4, STATUS_DATA_LOSS, "extent");
    refuse("{" TENSOR("a", "F32", "[1]", -4, 0) "}", 4, STATUS_DATA_LOSS, "before it begins");
    refuse("{" TENSOR("", "F32", "[1]", 0, 4) "}", 4, STATUS_DATA_LOSS, "name");
    refuse("{" TENSOR("a\\u001b", "F32", "[1]", 0, 4) "}", 4, STATUS_DATA_LOSS, "name");
}

Test(safetensors_read, headers_of_the_wrong_kind_are_refused)
{
    refuse("", 0, STATUS_DATA_LOSS, "not JSON");
    refuse("[]", 0, STATUS_DATA_LOSS, "not a JSON object");
    refuse("{\"a\":7}", 0, STATUS_DATA_LOSS, "dtype");
    refuse("{\"a\":{\"dtype\":\"F32\"}}", 0, STATUS_DATA_LOSS, "shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, STATUS_DATA_LOSS, "data_offsets");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", 4, STATUS_DATA_LOSS,
           "data_offsets");
    refuse("{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("a", "F32", "[1]", 0, 4) "}", 4, STATUS_DATA_LOSS,
           "not JSON");
    refuse("{" TENSOR("a", "I64", "[1]", 0, 8) "}", 8, STATUS_INVALID_ARGUMENT, "'I64'");
    refuse("{" TENSOR("a", "F32", "[1,1,1,1,1]", 0, 4) "}", 4, STATUS_INVALID_ARGUMENT, "dimensions");
}

Test(safetensors_read, text_that_would_cost_many_times_its_size_is_refused)
{
    static char dense[200001];
    memset(dense, '[', sizeof dense - 1);
    refuse(dense, 0, STATUS_DATA_LOSS, "no list of tensors");
    for (size_t i = 0; i + 1 < sizeof dense; i++)
        dense[i] = i % 2 ? ',' : '1';
    refuse(dense, 0, STATUS_DATA_LOSS, "no list of tensors");
}

Test(safetensors_read, a_header_length_that_lies_is_refused)
{
    const uint64_t lengths[] = {9, UINT64_MAX, INT64_MAX, 5ull << 20};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        unsigned char bytes[16] = {0};
        memcpy(bytes, &lengths[i], 8);
        cr_assert_eq(file_write(path, bytes, sizeof bytes, false, &error), 0);
        struct layout layout = LAYOUT_INIT;
        float *values = NULL;
        cr_assert_eq(safetensors_read(path, &layout, &values, &error), STATUS_DATA_LOSS);
        cr_assert(strstr(error.message, "longer than the file"), "%s", error.message);
    }
}

static struct bytes good_file(void)
{
    struct layout layout = LAYOUT_INIT;
    const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    cr_assert_eq(layout_add(&layout, "0.weight", &(struct shape){2, {3, 2}}, &error), 0);
    cr_assert_eq(layout_add(&layout, "0.bias", &(struct shape){1, {2}}, &error), 0);
    cr_assert_eq(safetensors_write(path, &layout, values, false, NULL, &error), 0);
    layout_release(&layout);
    struct bytes bytes = BYTES_INIT;
    cr_assert_eq(bytes_read_file(&bytes, path, 1 << 20, &error), 0);
    return bytes;
}

Test(safetensors_read, every_truncation_is_refused)
{
    struct bytes bytes = good_file();
    for (size_t n = 0; n < bytes.n; n++) {
        cr_assert_eq(file_write(path, bytes.data, n, false, &error), 0);
        struct layout layout = LAYOUT_INIT;
        float *values = NULL;
        cr_assert_eq(safetensors_read(path, &layout, &values, &error), STATUS_DATA_LOSS, "cut to %zu bytes",
                     n);
    }
    bytes_release(&bytes);
}

Test(safetensors_read, a_flipped_bit_is_refused_or_leaves_a_sound_model)
{
    struct bytes bytes = good_file();
    size_t n_refused = 0;
    for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        cr_assert_eq(file_write(path, bytes.data, bytes.n, false, &error), 0);
        struct layout layout = LAYOUT_INIT;
        float *values = NULL;
        if (safetensors_read(path, &layout, &values, &error) != STATUS_OK)
            n_refused++;
        for (size_t i = 0; i < layout.n_parameters; i++)
            cr_assert(isfinite(values[i]));
        layout_release(&layout);
        memory_free(values);
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    cr_assert_gt(n_refused, 600);
    bytes_release(&bytes);
}

Test(safetensors_read, loading_fits_names_and_shapes_in_any_order)
{
    struct layout model = LAYOUT_INIT;
    float values[8] = {0};
    const float expected[8] = {7, 8, 1, 2, 3, 4, 5, 6};
    cr_assert_eq(layout_add(&model, "0.bias", &(struct shape){1, {2}}, &error), 0);
    cr_assert_eq(layout_add(&model, "0.weight", &(struct shape){2, {3, 2}}, &error), 0);
    struct bytes bytes = good_file();
    cr_assert_eq(safetensors_load(path, &model, values, &error), 0, "%s", error.message);
    cr_assert_eq(memcmp(values, expected, sizeof values), 0);
    bytes_release(&bytes);
    layout_release(&model);
}

static void expect_misfit(const char *name, struct shape shape, bool with_bias, const char *reason)
{
    struct layout model = LAYOUT_INIT;
    float values[16] = {0};
    cr_assert_eq(layout_add(&model, name, &shape, &error), 0);
    if (with_bias)
        cr_assert_eq(layout_add(&model, "0.bias", &(struct shape){1, {2}}, &error), 0);
    cr_assert_eq(safetensors_load(path, &model, values, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, reason), "'%s' lacks '%s'", error.message, reason);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        cr_assert(values[i] == 0);
    layout_release(&model);
}

Test(safetensors_read, loading_names_the_first_difference)
{
    struct bytes bytes = good_file();
    expect_misfit("0.weight", (struct shape){2, {2, 3}}, true,
                  "'0.weight' is [3, 2] where the model asks for [2, 3]");
    expect_misfit("1.weight", (struct shape){2, {3, 2}}, true, "no tensor '1.weight' [3, 2]");
    expect_misfit("0.weight", (struct shape){2, {3, 2}}, false, "a tensor '0.bias' that the model lacks");
    bytes_release(&bytes);
}

Test(safetensors_read, what_is_no_file_is_refused_at_once)
{
    struct layout layout = LAYOUT_INIT;
    float *values = NULL;
    cr_assert_eq(safetensors_read(folder, &layout, &values, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(safetensors_read(path, &layout, &values, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(safetensors_read("/nowhere/x", &layout, &values, &error), STATUS_NOT_FOUND);
}

Test(safetensors_read, running_out_of_memory_is_an_error)
{
    struct bytes bytes = good_file();
    for (unsigned long nth = 1; nth < 20; nth++) {
        struct layout layout = LAYOUT_INIT;
        float *values = NULL;
        memory_fail_after(nth);
        enum status status = safetensors_read(path, &layout, &values, &error);
        memory_fail_after(0);
        if (status == STATUS_OK) {
            cr_assert_gt(nth, 3);
            layout_release(&layout);
            memory_free(values);
            break;
        }
        cr_assert_eq(status, STATUS_RESOURCE_EXHAUSTED);
        cr_assert_not(values);
    }
    bytes_release(&bytes);
}
