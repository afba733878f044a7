#include "data/arrays.h"
#include "data/files.h"
#include <sys/stat.h>

TestSuite(idx, .init = make_folder, .fini = remove_folder);

static struct arrays_options options;

static enum status open_idx(struct source **ret, struct error *error)
{
    return open_with(ret, "idx", &options, "x", "y", error);
}

#define EXPECT_REFUSED(status, ...)                                                                          \
    expect_refused("idx", &options, "x", "y", status, (const char *[]){__VA_ARGS__, NULL})

Test(idx, images_become_floats_with_one_channel)
{
    put_idx("x", (uint32_t[]){5, 2, 3, 0}, 17, 256);
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_idx(&source, &error), STATUS_OK, "%s", error.message);
    const struct source_info *info = source_info(source);
    cr_assert_eq(info->n_samples, 5);
    cr_assert_eq(info->n_outputs, 3);
    cr_assert(shape_equal(&info->sample, &(struct shape){.rank = 3, .extents = {1, 2, 3}}));
    cr_assert_eq(source_read(source, NULL, 0, &dataset, &error), STATUS_OK, "%s", error.message);
    for (int i = 0; i < 30; i++)
        cr_assert_eq(dataset.features[i], (float)(i * 17 % 256) / 255.0f);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(dataset.classes[i], i % 3);
    dataset_release(&dataset);
    source_close(source);
}

Test(idx, gzip_is_known_by_its_content_and_rows_are_picked)
{
    struct bytes x = BYTES_INIT, y = BYTES_INIT;
    idx_bytes(&x, (uint32_t[]){300, 4, 0}, 1, 251);
    idx_bytes(&y, (uint32_t[]){300, 0}, 1, 7);
    put_gzip("x", x.data, x.n);
    put_gzip("y", y.data, y.n);
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_idx(&source, &error), STATUS_OK, "%s", error.message);
    uint32_t rows[] = {0, 1, 7, 8, 9, 150, 298};
    cr_assert_eq(source_read(source, rows, 7, &dataset, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(dataset.n_samples, 7);
    for (size_t i = 0; i < 7; i++) {
        cr_assert_eq(dataset.classes[i], (int32_t)(rows[i] % 7));
        for (size_t k = 0; k < 4; k++)
            cr_assert_eq(dataset.features[i * 4 + k], (float)((rows[i] * 4 + k) % 251) / 255.0f);
    }
    dataset_release(&dataset);
    cr_assert_eq(source_read(source, (uint32_t[]){3, 3}, 2, &dataset, &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(source_read(source, (uint32_t[]){300}, 1, &dataset, &error), STATUS_OUT_OF_RANGE);
    source_close(source);
    bytes_release(&x);
    bytes_release(&y);
}

Test(idx, every_element_type_is_read)
{
    static const struct {
        unsigned char code;
        unsigned int n;
        unsigned char raw[8];
        float value;
    } rows[] = {
        {0x08, 1, {200}, 200},
        {0x09, 1, {0xFE}, -2},
        {0x0B, 2, {0xFF, 0x38}, -200},
        {0x0C, 4, {0xFF, 0xFE, 0x79, 0x60}, -100000},
        {0x0D, 4, {0xC0, 0x20, 0, 0}, -2.5f},
        {0x0E, 8, {0x3F, 0xD0, 0, 0, 0, 0, 0, 0}, 0.25f},
    };
    options.scale = 2;
    put_file("y", (unsigned char[]){0, 0, 8, 1, 0, 0, 0, 1, 0}, 9);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes x = BYTES_INIT;
        bytes_append(&x, (unsigned char[]){0, 0, rows[i].code, 1, 0, 0, 0, 1}, 8);
        bytes_append(&x, rows[i].raw, rows[i].n);
        put_file("x", x.data, x.n);
        struct source *source = NULL;
        struct dataset dataset = DATASET_INIT;
        struct error error = ERROR_INIT;
        cr_assert_eq(open_idx(&source, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(source_read(source, NULL, 0, &dataset, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(dataset.features[0], 2 * rows[i].value);
        dataset_release(&dataset);
        source_close(source);
        bytes_release(&x);
    }
}

Test(idx, labels_can_be_values)
{
    options.target = TARGET_VALUES;
    put_idx("x", (uint32_t[]){4, 2, 0}, 1, 256);
    put_idx("y", (uint32_t[]){4, 3, 0}, 1, 256);
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_idx(&source, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_info(source)->n_outputs, 3);
    cr_assert_eq(source_read(source, (uint32_t[]){2}, 1, &dataset, &error), STATUS_OK, "%s", error.message);
    cr_assert_null(dataset.classes);
    cr_assert_eq(dataset.values[1], 7);
    uint32_t groups[4];
    cr_assert_eq(source_groups(source, NULL, groups, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"x", "iid", NULL});
    dataset_release(&dataset);
    source_close(source);
}

Test(idx, a_missing_file_a_folder_and_a_pipe_are_refused)
{
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    EXPECT_REFUSED(STATUS_NOT_FOUND, "/x'", "check the path");
    char path[128];
    snprintf(path, sizeof path, "%s/x", test_folder);
    cr_assert_eq(file_make_folder(path, NULL), STATUS_OK);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "not a folder");
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "not a regular file");
    cr_assert_eq(unlink(path), 0);
    put_file("x", "", 0);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "empty");
}

Test(idx, another_file_is_not_taken_for_idx)
{
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    put_file("x", "sepal,petal\n1,2\n", 16);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "not IDX", "73 65 70 61");
    put_file("x", (unsigned char[]){0, 0, 7, 1, 0, 0, 0, 1, 0}, 9);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "type 0x07");
    put_file("x", (unsigned char[]){0, 0, 8, 9, 0, 0, 0, 1, 0}, 9);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "rank is 9");
    put_file("x", (unsigned char[]){0, 0, 8, 0, 0, 0, 0, 1, 0}, 9);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "rank is 0");
}

Test(idx, a_header_that_lies_about_the_size_is_refused_without_the_memory)
{
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    put_file("x", (unsigned char[]){0, 0, 8, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, 0xFF, 1}, 13);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "cut short or its header is damaged");
    put_file("x", (unsigned char[]){0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
             16);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "larger than memory");
    put_gzip("x", (unsigned char[]){0, 0, 8, 2, 0, 0, 0, 5, 0x0F, 0xFF, 0xFF, 0xFF, 1}, 13);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "compressed");
    put_file("x", (unsigned char[]){0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 2, 1}, 13);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "no samples");
}

Test(idx, counts_must_agree)
{
    put_idx("x", (uint32_t[]){5, 2, 0}, 1, 256);
    put_idx("y", (uint32_t[]){4, 0}, 1, 3);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "5 samples", "4 labels", "belong together");
    put_idx("y", (uint32_t[]){5, 2, 0}, 1, 3);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/y'", "2 numbers a sample");
}

Test(idx, bytes_too_many_and_too_few_are_refused)
{
    struct bytes x = BYTES_INIT;
    idx_bytes(&x, (uint32_t[]){5, 2, 0}, 1, 256);
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    bytes_text(&x, "!");
    put_file("x", x.data, x.n);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "goes on after");
    put_gzip("x", x.data, x.n);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "goes on after");
    put_file("x", x.data, x.n - 2);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "cut short");
    put_gzip("x", x.data, x.n - 2);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "cut short");
    bytes_release(&x);
}

Test(idx, damaged_compression_is_refused)
{
    struct bytes x = BYTES_INIT;
    char path[128];
    idx_bytes(&x, (uint32_t[]){50, 20, 0}, 7, 253);
    put_idx("y", (uint32_t[]){50, 0}, 1, 3);
    put_gzip("x", x.data, x.n);
    bytes_release(&x);
    snprintf(path, sizeof path, "%s/x", test_folder);
    cr_assert_eq(bytes_read_file(&x, path, 1 << 20, NULL), STATUS_OK);
    put_file("x", x.data, x.n - 9); // the check sum and the end are lost
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "ends in the middle");
    x.data[x.n - 6] ^= 1;
    put_file("x", x.data, x.n);
    EXPECT_REFUSED(STATUS_DATA_LOSS, "/x'", "damaged", "incorrect data check");
    bytes_release(&x);
}

Test(idx, labels_out_of_range_are_named)
{
    put_idx("x", (uint32_t[]){5, 2, 0}, 1, 256);
    put_idx("y", (uint32_t[]){5, 0}, 3, 256);
    options.classes = 10;
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/y'", "sample 4 is 12", "0 to 9");
    put_file("y", (unsigned char[]){0, 0, 9, 1, 0, 0, 0, 5, 0, 1, 0xFF, 0, 0}, 13);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/y'", "sample 2 is -1", "whole numbers");
    options.classes = 0;
    put_file("y", (unsigned char[]){0,    0,    12, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0x7F, 0xFF,
                                    0xFF, 0xFF, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0},
             28);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/y'", "sample 1 is 2.14748365e+09", "raise classes");
}

Test(idx, what_is_not_a_number_is_named)
{
    unsigned char x[] = {0, 0, 13, 2, 0, 0, 0, 2, 0, 0, 0,    2,    0, 0,
                         0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0x7F, 0xC0, 0, 0};
    put_file("x", x, sizeof x);
    put_idx("y", (uint32_t[]){2, 0}, 1, 2);
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "element 1 of sample 1 is nan", "replace or drop");
}

Test(idx, the_shape_can_be_given)
{
    put_idx("x", (uint32_t[]){5, 12, 0}, 1, 256);
    put_idx("y", (uint32_t[]){5, 0}, 1, 3);
    options.shape = (struct int_list){.n = 3, .values = (int64_t[]){1, 3, 4}};
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_idx(&source, &error), STATUS_OK, "%s", error.message);
    cr_assert(shape_equal(&source_info(source)->sample, &(struct shape){.rank = 3, .extents = {1, 3, 4}}));
    source_close(source);
    options.shape.values[2] = 5;
    EXPECT_REFUSED(STATUS_INVALID_ARGUMENT, "/x'", "[1, 3, 5]", "12 numbers");
}
