// Samples in memory: a matrix of float32 features and their targets, read from files that people have.
#pragma once

#include "base/shape.h"
#include "base/targets.h"
#include "config/fields.h"
#include <stdbool.h>

// A dataset's files and how to read them: `data.train` or `data.test` with `data.format` in YAML.
struct data_files {
    const char *features; // path
    const char *labels;   // path; NULL when the features' file holds them too (CSV, NPZ)
    bool unlabelled;      // without a path, arrays have none: every sample is then of class 0, or of value 0
};

struct dataset {
    size_t n_samples;
    struct shape sample; // of one sample
    float *features;     // [n_samples, sample]
    enum target_type target_type;
    size_t n_outputs; // classes, or target values a sample
    int32_t *classes; // [n_samples], with TARGET_CLASS
    float *values;    // [n_samples, n_outputs], with TARGET_VALUES
};

#define DATASET_INIT ((struct dataset){0})

// More classes or target values than this are taken for damage or for a column of numbers.
enum { DATASET_OUTPUTS_MAX = 1 << 20 };

extern const char *const dataset_target_words[]; // enum target_type in YAML: class, values

// Room for `n` samples, zeroed; released on failure.
enum status dataset_reserve(struct dataset *dataset, size_t n, struct error *error);
void dataset_release(struct dataset *dataset);

// The shape `wanted` for samples of `shape`, if it holds as many numbers; `name` is the file's, for the
// error.
enum status dataset_reshape(const struct shape *shape, const struct int_list *wanted, const char *name,
                            struct shape *ret, struct error *error);

// A learner's own part of a dataset that it may share with others in its process: sample i is the dataset's
// rows[i], or i when `rows` is NULL.
struct part {
    const struct dataset *dataset;
    const uint32_t *rows;
    size_t n_samples;
};

// Whether samples first..first+n of the part are rows of the dataset that follow each other, from `ret_row`
// on.
bool part_lies_together(const struct part *part, size_t first, size_t n, size_t *ret_row);
// Copies samples rows[order[0..n)] of `part` into features [n, sample] and into targets' storage (classes [n]
// or values [n, n_outputs]; the one not in use may be NULL). `order` NULL: the part's samples first..first+n
// in order.
void part_gather(const struct part *part, const uint32_t *order, size_t first, size_t n, float *features,
                 int32_t *classes, float *values);
