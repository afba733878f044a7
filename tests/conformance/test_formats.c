// Every row of formats.def that reads files: what was written is read, whole and by rows; damage of any kind
// is an error and nothing worse.
#include "base/memory.h"
#include "base/philox.h"
#include "unit/data/arrays_files.h"

TestSuite(formats, .init = make_folder, .fini = remove_folder);

enum { SAMPLES = 3, FEATURES = 2, FILE_BYTES_MAX = 4096 };

// The same three samples, features 0 to 5 and classes 0, 1, 2, in each format.
struct example {
    const char *format, *yaml;
    struct bytes files[2]; // features and labels; the latter empty when the format has one file
};

static void make_idx(struct example *example)
{
    idx_bytes(&example->files[0], (uint32_t[]){3, 2, 0}, 1, 256);
    idx_bytes(&example->files[1], (uint32_t[]){3, 0}, 1, 3);
}

static void make_csv(struct example *example)
{
    bytes_text(&example->files[0], "a,\"b \"\"c\"\"\",k\r\n0,1,x\r\n2,\"3\",y\r\n4,5e0,z\r\n");
}

static void make_npy(struct example *example)
{
    npy_bytes(&example->files[0], "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
              (float[]){0, 1, 2, 3, 4, 5}, 24);
    npy_bytes(&example->files[1], "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "\0\1\2", 3);
}

static void make_npz(struct example *example)
{
    struct archive archive = {0};
    archive_samples(&archive, "x.npy", "y.npy", ARCHIVE_DEFLATED);
    archive_end(&archive, "");
    example->files[0] = archive.file;
}

static const struct {
    const char *format, *yaml;
    void (*make)(struct example *example);
} makers[] = {
    {"idx", "{kind: idx, scale: 1}", make_idx},
    {"csv", "csv", make_csv},
    {"npy", "npy", make_npy},
    {"npz", "npz", make_npz},
};

static bool reads_files(const struct kind *kind)
{
    return !((const struct format_kind *)kind)->no_files;
}

static struct example make_example(const struct kind *kind)
{
    struct example example = {0};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (strcmp(makers[i].format, kind->name))
            continue;
        example.format = makers[i].format;
        example.yaml = makers[i].yaml;
        makers[i].make(&example);
        return example;
    }
    cr_assert_fail("no example of the format %s: write one here", kind->name);
    return example;
}

static void release_example(struct example *example)
{
    bytes_release(&example->files[0]);
    bytes_release(&example->files[1]);
}

static void put_example(const struct example *example)
{
    put_file("x", example->files[0].data, example->files[0].n);
    if (example->files[1].n)
        put_file("y", example->files[1].data, example->files[1].n);
}

static enum status read_example(const struct choice *choice, const struct example *example,
                                const uint32_t *rows, size_t n, struct dataset *ret, struct error *error)
{
    struct source *source = NULL;
    struct data_files files = {.features = "x", .labels = example->files[1].n ? "y" : NULL};
    enum status status = source_open(&source, choice, &files, test_folder, error);
    if (status == STATUS_OK)
        status = source_read(source, rows, n, ret, error);
    source_close(source);
    return status;
}

Test(formats, what_was_written_is_read_whole_and_by_rows)
{
    for (size_t i = 0; i < formats.n_kinds; i++) {
        if (!reads_files(formats.kinds[i]))
            continue;
        struct example example = make_example(formats.kinds[i]);
        struct choice choice = choose(&formats, example.yaml);
        put_example(&example);
        for (uint32_t mask = 1; mask < 1u << SAMPLES; mask++) {
            uint32_t rows[SAMPLES];
            size_t n = 0;
            for (uint32_t row = 0; row < SAMPLES; row++)
                if (mask >> row & 1)
                    rows[n++] = row;
            struct dataset d = DATASET_INIT;
            struct error error = ERROR_INIT;
            cr_assert_eq(read_example(&choice, &example, n == SAMPLES ? NULL : rows, n, &d, &error),
                         STATUS_OK, "%s", error.message);
            cr_assert_eq(d.n_samples, n);
            cr_assert_eq(d.n_outputs, SAMPLES);
            for (size_t k = 0; k < n; k++) {
                cr_assert_eq(d.classes[k], (int32_t)rows[k]);
                for (size_t f = 0; f < FEATURES; f++)
                    cr_assert_eq(d.features[k * FEATURES + f], (float)(rows[k] * FEATURES + f));
            }
            dataset_release(&d);
        }
        release_example(&example);
    }
}

// Whatever comes of a damaged file, an error is one line that names a file, and success is a whole dataset.
static void expect_sane(const struct choice *choice, const struct example *example)
{
    struct dataset d = DATASET_INIT;
    struct error error = ERROR_INIT;
    put_example(example);
    if (read_example(choice, example, NULL, 0, &d, &error) == STATUS_OK) {
        cr_assert(d.features && d.n_samples > 0 && d.n_samples <= FILE_BYTES_MAX);
        for (size_t i = 0; i < d.n_samples; i++)
            cr_assert(d.classes[i] >= 0 && (size_t)d.classes[i] < d.n_outputs);
    } else {
        cr_assert(strstr(error.message, test_folder), "no file in: %s", error.message);
        cr_assert_null(strchr(error.message, '\n'));
        cr_assert_null(d.features);
    }
    dataset_release(&d);
}

Test(formats, files_cut_short_anywhere_are_survived)
{
    for (size_t i = 0; i < formats.n_kinds; i++) {
        if (!reads_files(formats.kinds[i]))
            continue;
        struct example example = make_example(formats.kinds[i]);
        struct choice choice = choose(&formats, example.yaml);
        for (int file = 0; file < 2; file++) {
            size_t whole = example.files[file].n;
            for (size_t n = 1; n < whole; n++) {
                example.files[file].n = n;
                expect_sane(&choice, &example);
            }
            example.files[file].n = whole;
        }
        release_example(&example);
    }
}

Test(formats, flipped_bits_are_survived)
{
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST});
    for (size_t i = 0; i < formats.n_kinds; i++) {
        if (!reads_files(formats.kinds[i]))
            continue;
        struct example example = make_example(formats.kinds[i]);
        struct choice choice = choose(&formats, example.yaml);
        for (int round = 0; round < 1500; round++) {
            struct bytes *file = &example.files[example.files[1].n && random_below(&random, 2)];
            uint32_t at[3], bit[3], n = 1 + random_below(&random, 3);
            for (uint32_t k = 0; k < n; k++) {
                at[k] = random_below(&random, (uint32_t)file->n);
                bit[k] = random_below(&random, 8);
                file->data[at[k]] ^= (char)(1 << bit[k]);
            }
            expect_sane(&choice, &example);
            for (uint32_t k = 0; k < n; k++)
                file->data[at[k]] ^= (char)(1 << bit[k]);
        }
        release_example(&example);
    }
}

Test(formats, bytes_of_any_kind_are_survived)
{
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST, .index = 1});
    for (size_t i = 0; i < formats.n_kinds; i++) {
        if (!reads_files(formats.kinds[i]))
            continue;
        struct example example = make_example(formats.kinds[i]);
        struct choice choice = choose(&formats, example.yaml);
        for (int round = 0; round < 500; round++) {
            example.files[0].n = 0;
            for (uint32_t k = 1 + random_below(&random, 60); k > 0; k--)
                bytes_append(&example.files[0],
                             (unsigned char[]){(unsigned char)(random_u32(&random) & 0xFF)}, 1);
            expect_sane(&choice, &example);
        }
        release_example(&example);
    }
}

Test(formats, running_out_of_memory_anywhere_is_survived)
{
    for (size_t i = 0; i < formats.n_kinds; i++) {
        if (!reads_files(formats.kinds[i]))
            continue;
        struct example example = make_example(formats.kinds[i]);
        struct choice choice = choose(&formats, example.yaml);
        enum status status = STATUS_UNKNOWN;
        put_example(&example);
        for (unsigned long nth = 1; status != STATUS_OK; nth++) {
            struct dataset d = DATASET_INIT;
            struct error error = ERROR_INIT;
            cr_assert_lt(nth, 1000);
            memory_fail_after(nth);
            status = read_example(&choice, &example, NULL, 0, &d, &error);
            memory_fail_after(0);
            cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED, "%s: %s",
                      status_name(status), error.message);
            dataset_release(&d);
        }
        release_example(&example);
    }
}
