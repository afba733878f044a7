#include "base/memory.h"
#include "data/arrays.h"
#include "data/files.h"

TestSuite(partition, .init = make_folder, .fini = remove_folder);

// Laid out as dirichlet.c declares its options.
struct dirichlet_options {
    double alpha;
    int sizes;
};

static struct source *open_classes(unsigned int n_samples, unsigned int n_classes)
{
    static struct arrays_options options;
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    put_idx("x", (uint32_t[]){n_samples, 1, 0}, 1, 256);
    put_idx("y", (uint32_t[]){n_samples, 0}, 1, n_classes);
    cr_assert_eq(open_with(&source, "idx", &options, "x", "y", &error), STATUS_OK, "%s", error.message);
    return source;
}

static struct partition share_out(struct source *source, const char *kind, void *options, size_t n_learners,
                                  uint64_t seed)
{
    struct choice choice = {.kind = registry_find(&partitions, kind), .options = options};
    struct partition partition = {0};
    struct error error = ERROR_INIT;
    cr_assert_eq(partition_new(&partition, &choice, source, n_learners, seed, &error), STATUS_OK, "%s",
                 error.message);
    return partition;
}

// The greatest share that one class has of a learner's samples, averaged over the learners; the class of row
// i is i % n_classes.
static double purity(const struct partition *partition, unsigned int n_classes)
{
    double sum = 0;
    for (size_t i = 0; i < partition->n_learners; i++) {
        size_t counts[16] = {0}, most = 0, n = partition->offsets[i + 1] - partition->offsets[i];
        for (size_t k = partition->offsets[i]; k < partition->offsets[i + 1]; k++) {
            size_t count = ++counts[partition->rows[k] % n_classes];
            most = count > most ? count : most;
        }
        sum += (double)most / (double)n;
    }
    return sum / (double)partition->n_learners;
}

Test(partition, iid_parts_differ_by_at_most_one_sample)
{
    struct source *source = open_classes(103, 10);
    struct partition partition = share_out(source, "iid", NULL, 10, 1);
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(partition.offsets[i + 1] - partition.offsets[i], 10 + (i < 3));
    partition_release(&partition);
    source_close(source);
}

Test(partition, dirichlet_parts_are_equal_in_size_and_purer_for_smaller_alpha)
{
    struct source *source = open_classes(5000, 10);
    double last = 1.01;
    static const double alphas[] = {0.01, 0.1, 1, 10, 100, 1000};
    for (size_t k = 0; k < ARRAY_SIZE(alphas); k++) {
        double alpha = alphas[k];
        struct partition partition =
            share_out(source, "dirichlet", &(struct dirichlet_options){.alpha = alpha}, 10, 1);
        for (size_t i = 0; i < 10; i++)
            cr_assert_eq(partition.offsets[i + 1] - partition.offsets[i], 500);
        double now = purity(&partition, 10);
        cr_assert_lt(now, last, "alpha %g: purity %g after %g", alpha, now, last);
        last = now;
        partition_release(&partition);
    }
    cr_assert_lt(last, 0.15);
    source_close(source);
}

Test(partition, free_sizes_differ_and_leave_no_learner_empty)
{
    struct source *source = open_classes(1000, 4);
    struct partition partition =
        share_out(source, "dirichlet", &(struct dirichlet_options){.alpha = 0.01, .sizes = 1}, 50, 1);
    size_t least = 1000, most = 0;
    for (size_t i = 0; i < 50; i++) {
        size_t n = partition.offsets[i + 1] - partition.offsets[i];
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    cr_assert_eq(least, 1);
    cr_assert_gt(most, 100);
    partition_release(&partition);
    source_close(source);
}

Test(partition, more_learners_than_samples_are_refused_with_both_numbers)
{
    struct source *source = open_classes(5, 2);
    for (size_t i = 0; i < partitions.n_kinds; i++) {
        struct choice choice = {.kind = partitions.kinds[i]};
        struct partition partition = {0};
        struct error error = ERROR_INIT;
        cr_assert_eq(partition_new(&partition, &choice, source, 6, 1, &error), STATUS_INVALID_ARGUMENT);
        expect_words(&error, (const char *[]){"5 samples", "6 learners", "between 1 and 5", NULL});
    }
    source_close(source);
}

Test(partition, interleaved_parts_hold_whole_sources)
{
    struct interleaved {
        int64_t period;
    } options = {6};
    struct source *source = open_classes(60, 3);
    struct partition partition = share_out(source, "interleaved", &options, 3, 1);
    for (size_t learner = 0; learner < 3; learner++) {
        bool has[6] = {false};
        size_t first = partition.offsets[learner], n = partition.offsets[learner + 1] - first, n_sources = 0;
        cr_assert_eq(n, 20);
        for (size_t i = 0; i < n; i++)
            has[partition.rows[first + i] % 6] = true;
        for (size_t i = 0; i < 6; i++)
            n_sources += has[i];
        cr_assert_eq(n_sources, 2);
    }
    partition_release(&partition);
    source_close(source);
}
