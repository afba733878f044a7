// Files for tests, in a folder of their own that goes with the test.
#pragma once

#include "base/bytes.h"
#include "base/file.h"
#include "data/partition.h"
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char test_folder[64];

static inline void make_folder(void)
{
    strcpy(test_folder, "/tmp/cohort-data-XXXXXX");
    cr_assert_not_null(mkdtemp(test_folder));
}

// What choose() made, which lives until remove_folder().
enum { CHOSEN_MAX = 256 };
static struct document chosen[CHOSEN_MAX];
static size_t n_chosen;

static inline void remove_folder(void)
{
    file_remove_tree(test_folder);
    while (n_chosen)
        document_release(&chosen[--n_chosen]);
}

static inline void put_file(const char *name, const void *data, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", test_folder, name);
    unlink(path); // ext4 flushes to disk when a file that was cut to nothing is closed
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, n, file), n);
    cr_assert_eq(fclose(file), 0);
}

// Packed as gzip.
static inline void put_gzip(const char *name, const void *data, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", test_folder, name);
    gzFile file = gzopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, data, (unsigned int)n), (int)n);
    cr_assert_eq(gzclose(file), Z_OK);
}

// An IDX file of bytes: extents closed by 0, then element i is (i * step) % modulo.
static inline void idx_bytes(struct bytes *ret, const uint32_t *extents, unsigned int step,
                             unsigned int modulo)
{
    unsigned char head[4] = {0, 0, 8, 0};
    size_t n = 1;
    for (; extents[head[3]]; head[3]++)
        n *= extents[head[3]];
    bytes_append(ret, head, 4);
    for (unsigned int i = 0; i < head[3]; i++)
        bytes_append(ret,
                     (unsigned char[]){0, 0, (unsigned char)(extents[i] >> 8), (unsigned char)extents[i]}, 4);
    for (size_t i = 0; i < n; i++)
        bytes_append(ret, (unsigned char[]){(unsigned char)(i * step % modulo)}, 1);
}

static inline void put_idx(const char *name, const uint32_t *extents, unsigned int step, unsigned int modulo)
{
    struct bytes bytes = BYTES_INIT;
    idx_bytes(&bytes, extents, step, modulo);
    put_file(name, bytes.data, bytes.n);
    bytes_release(&bytes);
}

// Opens with a format's options as the caller made them.
static inline enum status open_with(struct source **ret, const char *format, void *options,
                                    const char *features, const char *labels, struct error *error)
{
    static struct choice choice;
    choice = (struct choice){.kind = registry_find(&formats, format), .options = options};
    struct data_files files = {.features = features, .labels = labels};
    return source_open(ret, &choice, &files, test_folder, error);
}

// The error must be one line that holds each of the words; NULL closes them.
static inline void expect_words(const struct error *error, const char *const *words)
{
    for (; *words; words++)
        cr_assert(strstr(error->message, *words), "'%s' is missing in: %s", *words, error->message);
    cr_assert_null(strchr(error->message, '\n'));
}

// Opening or reading all must fail with the status and an error that holds the words.
static inline void expect_refused(const char *format, void *options, const char *features, const char *labels,
                                  enum status expected, const char *const *words)
{
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    enum status status = open_with(&source, format, options, features, labels, &error);
    if (status == STATUS_OK)
        status = source_read(source, NULL, 0, &dataset, &error);
    cr_assert_eq(status, expected, "%s: %s", status_name(status), error.message);
    expect_words(&error, words);
    cr_assert_null(dataset.features);
    source_close(source);
}

// One kind as an experiment writes it, "csv" or "{kind: csv, label: 2}", with its defaults. Lives until the
// test ends.
static inline struct choice choose(const struct registry *registry, const char *yaml)
{
    struct document *document = &chosen[n_chosen++];
    struct error error = ERROR_INIT;
    struct choice choice = {0};
    char text[512];
    cr_assert_lt(n_chosen, CHOSEN_MAX);
    const struct field fields[] = {{.name = "choice", .type = FIELD_CHOICE, .registry = registry}, {0}};
    snprintf(text, sizeof text, "choice: %s\n", yaml);
    cr_assert_eq(document_parse(document, text, strlen(text), "test", &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(fields_read(fields, document->root, &choice, &document->arena, &error), STATUS_OK, "%s",
                 error.message);
    return choice;
}

static inline enum status open_chosen(struct source **ret, const char *yaml, const char *features,
                                      const char *labels, struct error *error)
{
    struct choice choice = choose(&formats, yaml);
    struct data_files files = {.features = features, .labels = labels};
    return source_open(ret, &choice, &files, test_folder, error);
}
