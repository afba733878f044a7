#include "base/file.h"
#include "base/memory.h"
#include "store/safetensors.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/cohort-test-safetensors-XXXXXX";
static char path[128];
static struct layout layout;
static struct error error;
static float values[9] = {0, 1, -2, 3.5f, 1e-40f, -0.0f, 7, 8, 9};

static void make_model(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    cr_assert_eq(layout_add(&layout, "0.weight", &(struct shape){2, {2, 3}}, &error), 0);
    cr_assert_eq(layout_add(&layout, "0.bias", &(struct shape){1, {2}}, &error), 0);
    cr_assert_eq(layout_add(&layout, "scale", &(struct shape){0, {0}}, &error), 0);
}

static void drop_model(void)
{
    layout_release(&layout);
    file_remove_tree(folder);
}

TestSuite(safetensors, .init = make_model, .fini = drop_model);

Test(safetensors, the_header_lists_tensors_in_order_and_is_padded)
{
    struct bytes header = BYTES_INIT;
    cr_assert_eq(safetensors_header(&layout, &header, &error), 0);
    cr_assert_eq(header.n % 64, 0);
    cr_assert_eq(bytes_le64(header.data), header.n - 8);
    const char *json = "{\"__metadata__\":{\"format\":\"pt\"},"
                       "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                       "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]},"
                       "\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[32,36]}}";
    cr_assert_eq(strncmp(header.data + 8, json, strlen(json)), 0);
    cr_assert_eq(strspn(header.data + 8 + strlen(json), " "), header.n - 8 - strlen(json));
    bytes_release(&header);
}

Test(safetensors, a_file_reads_back_bit_for_bit)
{
    cr_assert_eq(safetensors_write(path, &layout, values, true, NULL, &error), 0);
    struct layout read_layout = LAYOUT_INIT;
    float *read_values = NULL;
    cr_assert_eq(safetensors_read(path, &read_layout, &read_values, &error), 0, "%s", error.message);
    cr_assert(layout_equal(&layout, &read_layout));
    cr_assert_eq(memcmp(values, read_values, sizeof values), 0);
    layout_release(&read_layout);
    memory_free(read_values);
}

Test(safetensors, the_hash_told_is_the_files_and_the_same_without_a_file)
{
    uint8_t told[SHA256_BYTES], streamed[SHA256_BYTES], whole[SHA256_BYTES];
    cr_assert_eq(safetensors_write(path, &layout, values, false, told, &error), 0);
    cr_assert_eq(safetensors_sha256(&layout, values, streamed, &error), 0);
    struct bytes bytes = BYTES_INIT;
    cr_assert_eq(bytes_read_file(&bytes, path, 1 << 20, &error), 0);
    sha256_of(bytes.data, bytes.n, whole);
    bytes_release(&bytes);
    cr_assert_eq(memcmp(told, whole, sizeof whole), 0);
    cr_assert_eq(memcmp(streamed, whole, sizeof whole), 0);
}

Test(safetensors, a_failed_write_leaves_the_old_file_and_nothing_beside_it)
{
    cr_assert_eq(safetensors_write(path, &layout, values, false, NULL, &error), 0);
    uint8_t before[SHA256_BYTES] = {0}, untouched[SHA256_BYTES] = {0};
    for (unsigned long nth = 1; nth <= 4; nth++) {
        memory_fail_after(nth);
        enum status status = safetensors_write(path, &layout, values, false, before, &error);
        memory_fail_after(0);
        if (status == STATUS_OK)
            break;
        cr_assert_eq(status, STATUS_RESOURCE_EXHAUSTED);
        cr_assert_eq(memcmp(before, untouched, sizeof before), 0);
    }
    cr_assert_eq(safetensors_load(path, &layout, values, &error), 0);
    char aside[160];
    snprintf(aside, sizeof aside, "%s.partial", path);
    cr_assert_not(file_exists(aside));
}

Test(safetensors, a_folder_that_is_missing_is_named)
{
    enum status status = safetensors_write("/nowhere/m.safetensors", &layout, values, false, NULL, &error);
    cr_assert_eq(status, STATUS_NOT_FOUND);
    cr_assert(strstr(error.message, "/nowhere/m.safetensors"));
}

Test(safetensors, a_model_larger_than_a_block_is_whole)
{
    struct layout large = LAYOUT_INIT;
    cr_assert_eq(layout_add(&large, "w", &(struct shape){1, {700001}}, &error), 0);
    float *written = memory_floats(large.n_parameters), *read = memory_floats(large.n_parameters);
    for (size_t i = 0; i < large.n_parameters; i++)
        written[i] = (float)i;
    cr_assert_eq(safetensors_write(path, &large, written, false, NULL, &error), 0);
    cr_assert_eq(safetensors_load(path, &large, read, &error), 0, "%s", error.message);
    cr_assert_eq(memcmp(written, read, large.n_parameters * sizeof *read), 0);
    memory_free(written);
    memory_free(read);
    layout_release(&large);
}
