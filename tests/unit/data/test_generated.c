// Data without files.
#include "files.h"

TestSuite(generated, .init = make_folder, .fini = remove_folder);

static struct dataset read_rows(struct source *source, const uint32_t *rows, size_t n)
{
    struct dataset dataset = DATASET_INIT;
    cr_assert_eq(source_read(source, rows, n, &dataset, NULL), STATUS_OK);
    return dataset;
}

static struct source *open_text(const char *yaml)
{
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_chosen(&source, yaml, NULL, NULL, &error), STATUS_OK, "%s", error.message);
    return source;
}

Test(generated, rows_are_the_same_alone_and_among_others)
{
    struct source *source = open_text("{kind: generated, shape: [2, 3], classes: 5, samples: 40}");
    struct dataset all = read_rows(source, NULL, 0), some = read_rows(source, (uint32_t[]){3, 17, 39}, 3);
    uint32_t groups[40];
    cr_assert_eq(source_groups(source, NULL, groups, NULL), STATUS_OK);
    cr_assert_eq(all.n_samples, 40);
    cr_assert_eq(all.n_outputs, 5);
    cr_assert(shape_equal(&all.sample, &(struct shape){2, {2, 3}}));
    for (size_t i = 0; i < 3; i++) {
        size_t row = (size_t[]){3, 17, 39}[i];
        cr_assert_eq(some.classes[i], all.classes[row]);
        cr_assert_eq((uint32_t)some.classes[i], groups[row]);
        cr_assert_arr_eq(some.features + 6 * i, all.features + 6 * row, 6 * sizeof(float));
    }
    dataset_release(&all);
    dataset_release(&some);
    source_close(source);
}

Test(generated, samples_lie_nearer_to_others_of_their_class)
{
    struct source *source = open_text("{kind: generated, shape: 50, classes: 2, samples: 60}");
    struct dataset d = read_rows(source, NULL, 0);
    double same = 0, other = 0;
    size_t n_same = 0, n_other = 0;
    for (size_t i = 0; i < d.n_samples; i++)
        for (size_t j = 0; j < i; j++) {
            double squares = 0;
            for (size_t k = 0; k < 50; k++) {
                double difference = (double)d.features[i * 50 + k] - (double)d.features[j * 50 + k];
                squares += difference * difference;
            }
            bool alike = d.classes[i] == d.classes[j];
            *(alike ? &same : &other) += squares;
            (*(alike ? &n_same : &n_other))++;
        }
    cr_assert(n_same > 0 && n_other > 0);
    cr_assert_gt(other / (double)n_other, 1.4 * same / (double)n_same);
    dataset_release(&d);
    source_close(source);
}

Test(generated, test_data_have_the_same_centres_and_other_samples)
{
    struct source *train = open_text("{kind: generated, shape: 50, classes: 1, samples: 200}"), *test = NULL;
    cr_assert_eq(source_open_test(&test, train, &(struct data_files){0}, NULL, NULL), STATUS_OK);
    struct dataset a = read_rows(train, NULL, 0), b = read_rows(test, NULL, 0);
    cr_assert_neq(a.features[0], b.features[0]);
    for (size_t k = 0; k < 50; k++) {
        double difference = 0;
        for (size_t i = 0; i < 200; i++)
            difference += ((double)a.features[i * 50 + k] - (double)b.features[i * 50 + k]) / 200;
        cr_assert_lt(difference * difference, 0.25);
    }
    dataset_release(&a);
    dataset_release(&b);
    source_close(test);
    source_close(train);
}

Test(generated, another_seed_gives_other_samples)
{
    struct source *one = open_text("{kind: generated, samples: 2}"),
                  *two = open_text("{kind: generated, samples: 2, seed: 1}");
    struct dataset a = read_rows(one, NULL, 0), b = read_rows(two, NULL, 0);
    cr_assert_neq(a.features[0], b.features[0]);
    dataset_release(&a);
    dataset_release(&b);
    source_close(one);
    source_close(two);
}

Test(generated, has_no_columns_and_bounds_its_samples)
{
    struct source *source = open_text("{kind: generated, samples: 2}");
    struct error error = ERROR_INIT;
    uint32_t groups[2];
    cr_assert_eq(source_groups(source, "age", groups, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"no columns", "'age'", NULL});
    source_close(source);
    struct int_list shape = {3, (int64_t[]){1 << 12, 1 << 12, 2}};
    cr_assert_eq(
        registry_find(&formats, "generated")->check(&(struct { struct int_list shape; }){shape}, &error),
        STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"more than the 16777216 values", NULL});
}

Test(generated, files_are_named_where_they_are_read_and_nowhere_else)
{
    struct data_options idx = {.format.kind = registry_find(&formats, "idx")},
                        generated = {.format.kind = registry_find(&formats, "generated")};
    struct error error = ERROR_INIT;
    cr_assert_eq(data_check(&generated, &error), STATUS_OK);
    cr_assert_eq(data_check(&idx, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"train.features is missing", "'idx'", NULL});
    idx.train.features = generated.train.features = "x";
    cr_assert_eq(data_check(&generated, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"reads no files", "'x'", NULL});
    cr_assert_eq(data_check(&idx, &error), STATUS_OK);
    idx.has_test = true;
    cr_assert_eq(data_check(&idx, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"test.features is missing", NULL});
}
