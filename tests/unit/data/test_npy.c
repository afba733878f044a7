#include "data/arrays_files.h"

TestSuite(npy, .init = make_folder, .fini = remove_folder);

// Two labels, 1 and 0.
static void put_labels(void)
{
    put_npy("y", "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", (int64_t[]){1, 0}, 16);
}

static struct dataset read_both(const char *yaml)
{
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_chosen(&source, yaml, "x", "y", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_read(source, NULL, 0, &dataset, &error), STATUS_OK, "%s", error.message);
    source_close(source);
    return dataset;
}

static void refused(const char *dictionary, size_t n, const char *const *words)
{
    struct choice choice = choose(&formats, "npy");
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    put_labels();
    put_npy("x", dictionary, (char[64]){0}, n);
    enum status status = open_with(&source, "npy", choice.options, "x", "y", &error);
    if (status == STATUS_OK)
        status = source_read(source, NULL, 0, &dataset, &error);
    cr_assert(status == STATUS_INVALID_ARGUMENT || status == STATUS_DATA_LOSS, "%s", status_name(status));
    expect_words(&error, words);
    source_close(source);
}
#define REFUSED(dictionary, n, ...) refused(dictionary, n, (const char *[]){__VA_ARGS__, NULL})

Test(npy, every_type_is_read)
{
    static const struct {
        const char *type;
        size_t n;
        unsigned char raw[16];
        float first, second;
    } rows[] = {
        {"<f4", 8, {0, 0, 0x20, 0xC0, 0, 0, 0x80, 0x3F}, -2.5f, 1},
        {">f4", 8, {0xC0, 0x20, 0, 0, 0x3F, 0x80, 0, 0}, -2.5f, 1},
        {"<f8", 16, {0, 0, 0, 0, 0, 0, 0xD0, 0x3F, 0, 0, 0, 0, 0, 0, 0xF0, 0xBF}, 0.25f, -1},
        {"|i1", 2, {0xFE, 3}, -2, 3},
        {"<i2", 4, {0x38, 0xFF, 1, 0}, -200, 1},
        {"<i4", 8, {0x60, 0x79, 0xFE, 0xFF, 1, 0, 0, 0}, -100000, 1},
        {"<i8", 16, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2}, -1, 2},
        {"|u1", 2, {255, 51}, 1, 0.2f},
        {"<u2", 4, {0xFF, 0xFF, 1, 0}, 65535, 1},
        {"<u4", 8, {0, 0, 0, 0x80, 1, 0, 0, 0}, 2147483648.0f, 1},
        {"<u8", 16, {1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1, 256},
        {"|b1", 2, {1, 0}, 1, 0},
    };
    put_labels();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"descr\": '%s', 'fortran_order': False, 'shape': (2, 1), }",
                 rows[i].type);
        put_npy("x", text, rows[i].raw, rows[i].n);
        struct dataset d = read_both("npy");
        cr_assert_eq(d.features[0], rows[i].first, "%s: %g", rows[i].type, (double)d.features[0]);
        cr_assert_eq(d.features[1], rows[i].second, "%s: %g", rows[i].type, (double)d.features[1]);
        cr_assert_arr_eq(d.classes, ((int32_t[]){1, 0}), 8);
        dataset_release(&d);
    }
}

Test(npy, fortran_order_becomes_c_order_and_rows_are_picked)
{
    float raw[12];
    for (int sample = 0; sample < 2; sample++) // [2, 3, 2]: the first index runs fastest
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 2; j++)
                raw[sample + 2 * i + 6 * j] = (float)(100 * sample + 10 * i + j);
    put_labels();
    put_npy("x", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 2), }", raw, sizeof raw);
    struct dataset d = read_both("npy");
    cr_assert(shape_equal(&d.sample, &(struct shape){.rank = 2, .extents = {3, 2}}));
    cr_assert_arr_eq(d.features, ((float[]){0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}), 48);
    dataset_release(&d);
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_chosen(&source, "npy", "x", "y", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_read(source, (uint32_t[]){1}, 1, &d, &error), STATUS_OK, "%s", error.message);
    cr_assert_arr_eq(d.features, ((float[]){100, 101, 110, 111, 120, 121}), 24);
    dataset_release(&d);
    source_close(source);
}

Test(npy, a_plain_list_of_numbers_is_one_feature_and_versions_2_and_3_are_read)
{
    const char *head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
    struct bytes x = BYTES_INIT;
    put_labels();
    for (unsigned char version = 2; version <= 3; version++) {
        x.n = 0;
        bytes_append(&x, "\x93NUMPY", 6);
        bytes_append(&x, (unsigned char[]){version, 0, (unsigned char)strlen(head), 0, 0, 0}, 6);
        bytes_text(&x, head);
        bytes_append(&x, (float[]){3, 4}, 8);
        put_file("x", x.data, x.n);
        struct dataset d = read_both("npy");
        cr_assert(shape_equal(&d.sample, &(struct shape){.rank = 1, .extents = {1}}));
        cr_assert_arr_eq(d.features, ((float[]){3, 4}), 8);
        dataset_release(&d);
    }
    bytes_release(&x);
}

Test(npy, headers_that_lie_or_are_damaged_are_refused)
{
    REFUSED("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 16, "x'", "type '|O'", "astype");
    REFUSED("{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", 4, "type '<f2'");
    REFUSED("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, "are not read");
    REFUSED("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", 8, "fortran_order", "Maybe");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", 8, "shape");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "shape");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, "shape");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8, "shape");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }", 8,
            "larger than memory");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1), }", 4,
            "more than 5 extents");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4, "single number");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }", 0, "extent 1");
    REFUSED("{'descr': '<f4', 'shape': (2,), }", 8, "dictionary");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", 24, "cut short");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", 33, "goes on after");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 48, "3 samples", "2 labels");
}

Test(npy, other_files_are_not_taken_for_npy)
{
    struct choice choice = choose(&formats, "npy");
    put_labels();
    put_file("x", "sepal,petal\n", 12);
    expect_refused("npy", choice.options, "x", "y", STATUS_INVALID_ARGUMENT,
                   (const char *[]){"x'", "not NPY", NULL});
    put_file("x", "\x93NUMPY\x09\0..", 10);
    expect_refused("npy", choice.options, "x", "y", STATUS_INVALID_ARGUMENT,
                   (const char *[]){"x'", "version 9.0", NULL});
    put_file("x", "\x93NUMPY\x02\0\xFF\xFF\xFF\x7F", 12);
    expect_refused("npy", choice.options, "x", "y", STATUS_INVALID_ARGUMENT,
                   (const char *[]){"x'", "2147483647 bytes", NULL});
}
