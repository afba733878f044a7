#include "base/memory.h"
#include "data/arrays.h"
#include "data/files.h"
#include "data/probe.h"

TestSuite(probe, .init = make_folder, .fini = remove_folder);

enum { N_SAMPLES = 60, N_PROBE = 12, N_LEARNERS = 4 };

// Each sample is one feature, its row; it is of class row % 5.
static struct source *open_numbered(void)
{
    static struct arrays_options options = {.scale = 1};
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    put_idx("x", (uint32_t[]){N_SAMPLES, 1, 0}, 1, 256);
    put_idx("y", (uint32_t[]){N_SAMPLES, 0}, 1, 5);
    cr_assert_eq(open_with(&source, "idx", &options, "x", "y", &error), STATUS_OK, "%s", error.message);
    return source;
}

static struct data_options data_of(const char *partition, int64_t samples)
{
    return (struct data_options){
        .has_probe = true, .probe.samples = samples, .partition = choose(&partitions, partition)};
}

Test(probe, drawn_samples_go_to_nobody_else)
{
    static const char *const kinds[] = {"iid", "shards", "{kind: dirichlet, alpha: 0.5}"};
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct source *source = open_numbered();
        struct data_options data = data_of(kinds[k], N_PROBE);
        struct partition partition = {0};
        struct dataset probe;
        struct error error = ERROR_INIT;
        unsigned int seen[N_SAMPLES] = {0};
        cr_assert_eq(probe_partition(&data, source, N_LEARNERS, 3, &partition, &error), STATUS_OK, "%s",
                     error.message);
        cr_assert_eq(probe_read(&data, source, 3, &probe, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(probe.n_samples, N_PROBE);
        cr_assert_eq(partition.offsets[N_LEARNERS], N_SAMPLES - N_PROBE);
        for (size_t i = 0; i < N_PROBE; i++)
            seen[(size_t)probe.features[i]]++;
        for (size_t i = 0; i < N_SAMPLES - N_PROBE; i++)
            seen[partition.rows[i]]++;
        for (size_t i = 0; i < N_SAMPLES; i++)
            cr_assert_eq(seen[i], 1, "%s: sample %zu was given %u times", kinds[k], i, seen[i]);
        dataset_release(&probe);
        partition_release(&partition);
        source_close(source);
    }
}

// With one shard a learner out of as many classes as learners, parts are pure only if groups follow the rows.
Test(probe, classes_stay_with_their_samples)
{
    struct source *source = open_numbered();
    struct data_options data = data_of("{kind: shards, shards: 1}", N_PROBE);
    struct partition partition = {0};
    cr_assert_eq(probe_partition(&data, source, 5, 3, &partition, NULL), STATUS_OK);
    size_t n_mixed = 0;
    for (size_t i = 0; i < 5; i++)
        for (size_t k = partition.offsets[i] + 1; k < partition.offsets[i + 1]; k++)
            n_mixed += partition.rows[k] % 5 != partition.rows[k - 1] % 5;
    cr_assert_leq(n_mixed, 12, "%zu neighbours of %d differ in class", n_mixed, N_SAMPLES);
    partition_release(&partition);
    source_close(source);
}

Test(probe, the_seed_alone_decides)
{
    struct source *source = open_numbered();
    struct data_options data = data_of("iid", N_PROBE);
    struct dataset a, b, c;
    size_t bytes = N_PROBE * sizeof(float);
    cr_assert_eq(probe_read(&data, source, 3, &a, NULL), STATUS_OK);
    cr_assert_eq(probe_read(&data, source, 3, &b, NULL), STATUS_OK);
    cr_assert_eq(probe_read(&data, source, 4, &c, NULL), STATUS_OK);
    cr_assert_eq(memcmp(a.features, b.features, bytes), 0);
    cr_assert_neq(memcmp(a.features, c.features, bytes), 0);
    dataset_release(&a);
    dataset_release(&b);
    dataset_release(&c);
    source_close(source);
}

Test(probe, a_file_of_arrays_needs_no_labels)
{
    struct source *source = open_numbered();
    struct data_options data = data_of("iid", 0);
    struct dataset probe;
    struct partition partition = {0};
    struct error error = ERROR_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/p", test_folder);
    put_idx("p", (uint32_t[]){7, 1, 0}, 3, 256);
    data.probe.files.features = path;
    cr_assert_eq(probe_read(&data, source, 3, &probe, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(probe.n_samples, 7);
    cr_assert_eq(probe.features[6], 18);
    cr_assert_eq(probe.n_outputs, 5);
    cr_assert_eq(probe.classes[6], 0);
    cr_assert_eq(probe_partition(&data, source, N_LEARNERS, 3, &partition, NULL), STATUS_OK);
    cr_assert_eq(partition.offsets[N_LEARNERS], N_SAMPLES);
    dataset_release(&probe);
    partition_release(&partition);
    source_close(source);
}

Test(probe, what_cannot_be_is_refused)
{
    struct source *source = open_numbered();
    struct error error = ERROR_INIT;
    struct dataset probe;
    struct data_options data = data_of("iid", N_SAMPLES);
    cr_assert_eq(probe_read(&data, source, 3, &probe, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"probe.samples '60'", "lower it", NULL});
    const struct probe_options both = {.samples = 3, .files.features = "p"}, neither = {0};
    cr_assert_eq(probe_check(&both, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"keep one", NULL});
    cr_assert_eq(probe_check(&neither, &error), STATUS_INVALID_ARGUMENT);
    expect_words(&error, (const char *[]){"add samples", NULL});
    source_close(source);
}

Test(probe, running_out_of_memory_is_an_error)
{
    struct source *source = open_numbered();
    struct data_options data = data_of("shards", N_PROBE);
    struct partition partition = {0};
    unsigned long nth = 0;
    enum status status;
    do {
        memory_fail_after(++nth);
        status = probe_partition(&data, source, N_LEARNERS, 3, &partition, NULL);
        cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED, "allocation %lu", nth);
    } while (status != STATUS_OK);
    memory_fail_after(0);
    cr_assert_gt(nth, 6);
    partition_release(&partition);
    source_close(source);
}
