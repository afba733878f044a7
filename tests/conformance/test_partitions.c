// Every row of partitions.def: each sample has one owner, each learner a sample, and the seed alone decides.
#include "unit/data/files.h"

TestSuite(partitions, .init = make_folder, .fini = remove_folder);

enum { SAMPLES = 240, CLASSES = 8 };

// Options beyond the defaults for kinds whose required ones have none.
static struct choice choose_row(size_t i)
{
    char yaml[128];
    const struct kind *kind = partitions.kinds[i];
    bool needs_column = false;
    for (const struct field *field = kind->fields; field && field->name; field++)
        needs_column = needs_column || (field->required && strcmp(field->name, "by") == 0);
    snprintf(yaml, sizeof yaml, "{kind: %s%s}", kind->name, needs_column ? ", by: site" : "");
    return choose(&partitions, yaml);
}

static struct source *open_table(void)
{
    struct bytes text = BYTES_INIT;
    struct source *source = NULL;
    struct error error = ERROR_INIT;
    bytes_text(&text, "x,site,class\n");
    for (int i = 0; i < SAMPLES; i++)
        bytes_format(&text, "%d,site%d,c%d\n", i, i * 7 % 31, i % CLASSES);
    put_file("t.csv", text.data, text.n);
    bytes_release(&text);
    cr_assert_eq(open_chosen(&source, "{kind: csv, ignore: [site]}", "t.csv", NULL, &error), STATUS_OK, "%s",
                 error.message);
    return source;
}

static struct partition share_out(struct source *source, const struct choice *choice, size_t n, uint64_t seed)
{
    struct partition partition = {0};
    struct error error = ERROR_INIT;
    cr_assert_eq(partition_new(&partition, choice, source, n, seed, &error), STATUS_OK, "%s", error.message);
    return partition;
}

static bool same(const struct partition *a, const struct partition *b)
{
    return memcmp(a->offsets, b->offsets, (a->n_learners + 1) * sizeof *a->offsets) == 0 &&
           memcmp(a->rows, b->rows, SAMPLES * sizeof *a->rows) == 0;
}

Test(partitions, every_sample_has_one_owner_and_every_learner_a_sample)
{
    static const size_t learners[] = {1, 2, 7, 30};
    struct source *source = open_table();
    for (size_t i = 0; i < partitions.n_kinds * 4; i++) {
        struct choice choice = choose_row(i / 4);
        struct partition partition = share_out(source, &choice, learners[i % 4], 5);
        size_t owners[SAMPLES] = {0};
        cr_assert_eq(partition.n_learners, learners[i % 4]);
        cr_assert_eq(partition.offsets[0], 0);
        cr_assert_eq(partition.offsets[learners[i % 4]], SAMPLES);
        for (size_t k = 0; k < learners[i % 4]; k++) {
            cr_assert_lt(partition.offsets[k], partition.offsets[k + 1], "%s: learner %zu is empty",
                         choice.kind->name, k);
            for (size_t at = partition.offsets[k]; at < partition.offsets[k + 1]; at++) {
                cr_assert(at == partition.offsets[k] || partition.rows[at] > partition.rows[at - 1]);
                owners[partition.rows[at]]++;
            }
        }
        for (size_t k = 0; k < SAMPLES; k++)
            cr_assert_eq(owners[k], 1);
        partition_release(&partition);
    }
    source_close(source);
}

Test(partitions, the_seed_decides_and_nothing_else)
{
    struct source *source = open_table(), *again = open_table();
    for (size_t i = 0; i < partitions.n_kinds; i++) {
        struct choice choice = choose_row(i);
        struct partition first = share_out(source, &choice, 6, 1);
        struct partition second = share_out(again, &choice, 6, 1);
        struct partition other = share_out(source, &choice, 6, 2);
        cr_assert(same(&first, &second), "%s", choice.kind->name);
        cr_assert(!same(&first, &other), "%s does not follow the seed", choice.kind->name);
        partition_release(&first);
        partition_release(&second);
        partition_release(&other);
    }
    source_close(source);
    source_close(again);
}

Test(partitions, as_many_learners_as_samples_get_one_each_or_a_clear_refusal)
{
    struct source *source = open_table();
    for (size_t i = 0; i < partitions.n_kinds; i++) {
        struct choice choice = choose_row(i);
        struct partition partition = {0};
        struct error error = ERROR_INIT;
        enum status status = partition_new(&partition, &choice, source, SAMPLES, 3, &error);
        for (size_t k = 0; status == STATUS_OK && k < SAMPLES; k++)
            cr_assert_eq(partition.offsets[k + 1], k + 1);
        if (status != STATUS_OK)
            expect_words(&error, (const char *[]){"240 learners", NULL});
        partition_release(&partition);
    }
    source_close(source);
}
