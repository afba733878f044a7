#include "data/files.h"
#include <math.h>

TestSuite(csv, .init = make_folder, .fini = remove_folder);

static void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

// Puts `text`, opens it with the options and reads all.
static struct dataset read_text(const char *yaml, const char *text)
{
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    put_text("t.csv", text);
    cr_assert_eq(open_chosen(&source, yaml, "t.csv", NULL, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_read(source, NULL, 0, &dataset, &error), STATUS_OK, "%s", error.message);
    source_close(source);
    return dataset;
}

static void refused(const char *yaml, const char *text, const char *const *words)
{
    struct choice choice = choose(&formats, yaml);
    put_text("t.csv", text);
    expect_refused("csv", choice.options, "t.csv", NULL, STATUS_INVALID_ARGUMENT, words);
}
#define REFUSED(yaml, text, ...) refused(yaml, text, (const char *[]){__VA_ARGS__, NULL})

#define EXPECT_FLOATS(got, n, ...) cr_assert_arr_eq(got, ((float[n]){__VA_ARGS__}), n * sizeof(float))

Test(csv, a_header_is_found_and_text_labels_are_sorted)
{
    struct dataset d = read_text("csv", "length,width,kind\r\n1,2.5,rose\r\n-3,4e2,iris\r\n.5,+6,rose\r\n");
    cr_assert_eq(d.n_samples, 3);
    cr_assert_eq(d.n_outputs, 2);
    EXPECT_FLOATS(d.features, 6, 1, 2.5f, -3, 400, .5f, 6);
    cr_assert_arr_eq(d.classes, ((int32_t[]){1, 0, 1}), 12);
    dataset_release(&d);
}

Test(csv, numeric_labels_are_sorted_by_value_and_no_header_is_seen_where_none_is)
{
    struct dataset d = read_text("{kind: csv, label: 1}", "10,1\n9,2\n-1,3\n10,4");
    cr_assert_eq(d.n_samples, 4);
    EXPECT_FLOATS(d.features, 4, 1, 2, 3, 4);
    cr_assert_arr_eq(d.classes, ((int32_t[]){2, 1, 0, 2}), 16);
    dataset_release(&d);
}

Test(csv, quotes_hold_separators_quotes_and_line_ends)
{
    const char *text = "\"1\",\"a \"\"b\"\", c\nd\"\n\n2,e\n\"3\",e\n";
    struct dataset d = read_text("{kind: csv, header: false, classes: [e, \"a \\\"b\\\", c\\nd\"]}", text);
    cr_assert_eq(d.n_samples, 3);
    EXPECT_FLOATS(d.features, 3, 1, 2, 3);
    cr_assert_arr_eq(d.classes, ((int32_t[]){1, 0, 0}), 12);
    dataset_release(&d);
}

Test(csv, columns_are_chosen_by_name_or_number)
{
    const char *text = "id,x,y,class\nfirst,1,2,a\nsecond,3,4,b\n";
    struct dataset d = read_text("{kind: csv, ignore: [id]}", text);
    EXPECT_FLOATS(d.features, 4, 1, 2, 3, 4);
    dataset_release(&d);
    d = read_text("{kind: csv, columns: [3], label: id}", text);
    cr_assert(shape_equal(&d.sample, &(struct shape){.rank = 1, .extents = {1}}));
    EXPECT_FLOATS(d.features, 2, 2, 4);
    dataset_release(&d);
}

Test(csv, values_are_predicted_from_one_column_or_several)
{
    struct dataset d = read_text("{kind: csv, target: values}", "a,b,c\n1,2,3.5\n4,5,6\n");
    cr_assert_eq(d.n_outputs, 1);
    EXPECT_FLOATS(d.values, 2, 3.5f, 6);
    dataset_release(&d);
    d = read_text("{kind: csv, target: values, targets: [a, c]}", "a,b,c\n1,2,3.5\n4,5,6\n");
    cr_assert_eq(d.n_outputs, 2);
    EXPECT_FLOATS(d.features, 2, 2, 5);
    EXPECT_FLOATS(d.values, 4, 1, 3.5f, 4, 6);
    dataset_release(&d);
}

Test(csv, missing_features_are_told_filled_or_dropped)
{
    const char *text = "a,b,c\n1,?,x\n3,4,y\n,NA,x\n5,8,y\n";
    REFUSED("csv", text, "t.csv:2:3: ", "column 'b' is missing", "mean, zero or drop");
    struct dataset d = read_text("{kind: csv, missing: mean}", text);
    EXPECT_FLOATS(d.features, 8, 1, 6, 3, 4, 3, 6, 5, 8);
    dataset_release(&d);
    d = read_text("{kind: csv, missing: zero}", text);
    EXPECT_FLOATS(d.features, 8, 1, 0, 3, 4, 0, 0, 5, 8);
    dataset_release(&d);
    d = read_text("{kind: csv, missing: drop}", text);
    cr_assert_eq(d.n_samples, 2);
    cr_assert_eq(d.n_outputs, 1);
    EXPECT_FLOATS(d.features, 4, 3, 4, 5, 8);
    dataset_release(&d);
    REFUSED("{kind: csv, missing: zero}", "a,b\n1,x\n2,\n", "t.csv:3:3: ", "label in column 'b'", "drop");
    d = read_text("{kind: csv, missing: zero, missing_values: [none]}", "a,b\n1,x\nnone,y\n");
    EXPECT_FLOATS(d.features, 2, 1, 0);
    dataset_release(&d);
}

Test(csv, features_are_standardised_by_the_whole_file_whichever_rows_are_read)
{
    struct source *source = NULL;
    struct dataset d = DATASET_INIT;
    struct error error = ERROR_INIT;
    put_text("t.csv", "a,b,k\n1,7,x\n3,7,y\n5,7,x\n7,7,y\n");
    cr_assert_eq(open_chosen(&source, "{kind: csv, standardize: true}", "t.csv", NULL, &error), STATUS_OK,
                 "%s", error.message);
    cr_assert_eq(source_read(source, (uint32_t[]){0, 3}, 2, &d, &error), STATUS_OK, "%s", error.message);
    float edge = (float)(3 / sqrt(5)); // mean 4, variance 5
    EXPECT_FLOATS(d.features, 4, -edge, 0, edge, 0);
    dataset_release(&d);
    source_close(source);
}

Test(csv, test_data_take_classes_and_scales_from_the_training_data)
{
    struct source *train = NULL, *test = NULL;
    struct dataset d = DATASET_INIT;
    struct error error = ERROR_INIT;
    put_text("t.csv", "a,b,k\n1,0,x\n3,1,y\n5,2,z\n");
    put_text("u.csv", "k,b,a\nz,1,3\ny,1,3\n"); // the same columns in another order, and a class less
    cr_assert_eq(open_chosen(&train, "{kind: csv, label: k, standardize: true}", "t.csv", NULL, &error),
                 STATUS_OK, "%s", error.message);
    struct data_files files = {.features = "u.csv"};
    cr_assert_eq(source_open_test(&test, train, &files, test_folder, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_info(test)->n_outputs, 3);
    cr_assert_eq(source_read(test, NULL, 0, &d, &error), STATUS_OK, "%s", error.message);
    EXPECT_FLOATS(d.features, 4, 0, 0, 0, 0);
    cr_assert_arr_eq(d.classes, ((int32_t[]){2, 1}), 8);
    dataset_release(&d);
    source_close(test);
    put_text("u.csv", "k,b,a\nz,1,3\nw,1,3\n");
    cr_assert_eq(source_open_test(&test, train, &files, test_folder, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"u.csv'", "label 'w' of sample 1", "training data", NULL});
    put_text("u.csv", "k,b\nz,1\ny,1\n");
    cr_assert_eq(source_open_test(&test, train, &files, test_folder, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"u.csv'", "1 columns", "same columns", NULL});
    source_close(train);
}

Test(csv, classes_can_be_listed)
{
    struct dataset d = read_text("{kind: csv, classes: [low, middle, high]}", "a,b\n1,high\n2,low\n");
    cr_assert_eq(d.n_outputs, 3);
    cr_assert_arr_eq(d.classes, ((int32_t[]){2, 0}), 8);
    dataset_release(&d);
    REFUSED("{kind: csv, classes: [low, high]}", "a,b\n1,high\n2,lo\n", "label 'lo' of sample 1",
            "2 classes");
}

Test(csv, other_separators_and_a_byte_order_mark_are_read)
{
    struct dataset d = read_text("{kind: csv, separator: ';'}", "\xEF\xBB\xBF"
                                                                "a;b\n1;x\n2;y\n");
    EXPECT_FLOATS(d.features, 2, 1, 2);
    dataset_release(&d);
    d = read_text("{kind: csv, separator: tab}", "a\tb\r1\tx\r2\ty\r");
    EXPECT_FLOATS(d.features, 2, 1, 2);
    dataset_release(&d);
}

Test(csv, cells_that_are_no_numbers_are_pointed_at)
{
    REFUSED("csv", "a,b\n1,x\nblue,y\n", "t.csv:3:1: ", "'blue' in column 'a' is not a number", "ignore");
    REFUSED("csv", "a,b\n1,x\n2, y\n  inf,y\n", "t.csv:4:1: ", "'inf' in column 'a' is no finite number");
    REFUSED("{kind: csv, missing_values: ['']}", "a,b\n1,x\nNaN,y\n", "t.csv:3:1: ", "no finite number");
    REFUSED("csv", "a,b\n1,x\n1e39,y\n", "t.csv:3:1: ", "'1e39'", "no finite number");
    REFUSED("csv", "a,b\n1,x\n0x10,y\n", "t.csv:3:1: ", "not a number");
    REFUSED("csv", "a,b\n1,x\n\"two\nlines\",y\n", "t.csv:3:1: ", "'two lines'");
}

Test(csv, broken_records_are_pointed_at)
{
    REFUSED("csv", "a,b\n1,x\n2\n", "t.csv:3:1: ", "1 columns", "have 2");
    REFUSED("csv", "a,b\n1,x\n2,\"y\n3,z\n", "t.csv:3:3: ", "never closed");
    REFUSED("csv", "a,b\n1,x\n2,\"y\"z\n", "t.csv:3:6: ", "'z' after a closing quote");
    put_file("t.csv", "a,b\n1,\0x\n", 9);
    struct choice choice = choose(&formats, "csv");
    expect_refused("csv", choice.options, "t.csv", NULL, STATUS_INVALID_ARGUMENT,
                   (const char *[]){"t.csv:2:3: ", "NUL", "UTF-8", NULL});
}

Test(csv, a_file_without_samples_or_features_is_refused)
{
    REFUSED("{kind: csv, header: true}", "a,b\n", "no samples");
    REFUSED("csv", "\n\n  \n", "nothing but blank lines");
    REFUSED("csv", "a\n1\n2\n", "no column left for features");
    REFUSED("csv", "a,b\nx,y\n", "t.csv:1:1: ", "header: true");
    REFUSED("{kind: csv, header: true, missing: drop}", "a,b\n,x\n?,y\n",
            "no samples without a missing value");
}

Test(csv, columns_that_are_not_there_are_told_with_the_nearest)
{
    REFUSED("{kind: csv, label: clas}", "id,class\n1,2\n3,4\n", "no column 'clas' for label",
            "did you mean 'class'");
    REFUSED("{kind: csv, label: class}", "1,2\n3,4\n", "no header", "from 1 to 2");
    REFUSED("{kind: csv, ignore: [9]}", "a,b\n3,4\n", "no column '9' for ignore");
}

Test(csv, a_labels_file_is_not_for_csv)
{
    struct choice choice = choose(&formats, "csv");
    put_text("t.csv", "a,b\n1,x\n");
    expect_refused("csv", choice.options, "t.csv", "u.csv", STATUS_INVALID_ARGUMENT,
                   (const char *[]){"u.csv'", "label", NULL});
}

Test(csv, a_column_shares_samples_out_by_its_values)
{
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    struct partition partition = {0};
    put_text("t.csv", "who,x,k\nann,1,a\nbob,2,b\nann,3,b\ncyd,4,a\nbob,5,a\n");
    cr_assert_eq(open_chosen(&source, "{kind: csv, ignore: [who]}", "t.csv", NULL, &error), STATUS_OK, "%s",
                 error.message);
    struct choice by = choose(&partitions, "{kind: column, by: who}");
    cr_assert_eq(partition_new(&partition, &by, source, 3, 1, &error), STATUS_OK, "%s", error.message);
    for (size_t i = 0; i < 3; i++) {
        const uint32_t *rows = partition.rows + partition.offsets[i];
        size_t n = partition.offsets[i + 1] - partition.offsets[i];
        cr_assert((n == 1 && rows[0] == 3) || (n == 2 && rows[0] == 0 && rows[1] == 2) ||
                  (n == 2 && rows[0] == 1 && rows[1] == 4));
    }
    partition_release(&partition);
    cr_assert_eq(partition_new(&partition, &by, source, 4, 1, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"column 'who'", "3 distinct values", "4 learners", NULL});
    source_close(source);
}
