// A file format: opened once, it tells what is in the files without holding them, then reads the rows that
// are asked for. So a learner's process holds only its own samples.
#pragma once

#include "base/registry.h"
#include "data/dataset.h"

// What a source holds, known after opening.
struct source_info {
    size_t n_samples;
    struct shape sample;
    enum target_type target_type;
    size_t n_outputs;
};

struct format_kind {
    struct kind kind;
    bool no_files; // reads none: `files` then name nothing
    // Reads headers and targets. `ret` is the format's own object, which options and paths outlive. Every
    // error names the file and what is wrong with it. `like`, unless NULL, is the open object of the training
    // data that this is test data to: classes, means and scales are then taken from there.
    enum status (*open)(const void *options, const struct data_files *files, const void *like, void **ret,
                        struct source_info *ret_info, struct error *error);
    // The class of each sample [n_samples] (only with TARGET_CLASS), or with a column name (FIELD `by` of the
    // column partition) that column's distinct values numbered by first appearance.
    enum status (*groups)(void *source, const char *column, uint32_t *ret, struct error *error);
    // Reads samples `rows` (strictly ascending, in range, n of them; NULL: all) into `ret`, which has its
    // shape and room for them.
    enum status (*read)(void *source, const uint32_t *rows, size_t n, struct dataset *ret,
                        struct error *error);
    void (*close)(void *source);
};

extern const struct registry formats;

// `data.probe` in YAML: unlabelled samples that all learners share, to exchange predictions on.
struct probe_options {
    int64_t samples; // drawn from the training data, which then lack them; 0: of the files
    struct data_files files;
};

// `data:` in YAML: a format with its options, train and test files, a partition.
struct data_options {
    struct choice format;
    struct data_files train;
    bool has_test;
    struct data_files test;
    bool has_probe;
    struct probe_options probe;
    struct choice partition;
};

extern const struct field data_fields[];

// Whether files are named where the format reads some, and none where it does not.
enum status data_check(const struct data_options *data, struct error *error);

struct source;

// Paths are taken relative to `folder` (NULL or empty: as they are); none is looked at without files.
// `format` must outlive the source.
enum status source_open(struct source **ret, const struct choice *format, const struct data_files *files,
                        const char *folder, struct error *error);
// As test data to `train`, which is of the same format: the same classes under the same numbers, scaled by
// the training data's statistics; refused when classes, columns or shapes do not fit.
enum status source_open_test(struct source **ret, const struct source *train, const struct data_files *files,
                             const char *folder, struct error *error);
struct source *source_close(struct source *source);
const struct source_info *source_info(const struct source *source);
// Samples `rows` (strictly ascending; NULL: all, and `n` is then ignored). Released on failure.
enum status source_read(struct source *source, const uint32_t *rows, size_t n, struct dataset *ret,
                        struct error *error);
// Targets as group numbers [n_samples] for partitions: classes when `column` is NULL.
enum status source_groups(struct source *source, const char *column, uint32_t *ret, struct error *error);
