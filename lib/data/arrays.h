// What the formats of two arrays (features and labels) have in common: a source over any pair of arrays.
#pragma once

#include "data/array.h"
#include "data/format.h"

// The options that they share; the first member of their own.
struct arrays_options {
    double scale;
    struct int_list shape;
    int64_t classes;
    int target; // enum target_type
};

// Their rows, for a table over a struct whose first member is struct arrays_options.
#define ARRAYS_FIELDS                                                                                        \
    {.name = "scale",                                                                                        \
     .type = FIELD_REAL,                                                                                     \
     .offset = offsetof(struct arrays_options, scale),                                                       \
     .fallback = "0",                                                                                        \
     .help = "What features are multiplied by; 0: unsigned bytes are divided by 255, others stay"},          \
        {.name = "shape",                                                                                    \
         .type = FIELD_INTS,                                                                                 \
         .offset = offsetof(struct arrays_options, shape),                                                   \
         .min = 1,                                                                                           \
         .help = "The shape of a sample, when not the file's own: [1, 28, 28]"},                             \
        {.name = "classes",                                                                                  \
         .type = FIELD_INT,                                                                                  \
         .offset = offsetof(struct arrays_options, classes),                                                 \
         .fallback = "0",                                                                                    \
         .min = 0,                                                                                           \
         .max = DATASET_OUTPUTS_MAX,                                                                         \
         .help = "How many classes there are; 0: the greatest label and one"},                               \
    {                                                                                                        \
        .name = "target", .type = FIELD_WORD, .offset = offsetof(struct arrays_options, target),             \
        .fallback = "class", .words = dataset_target_words,                                                  \
        .help = "Whether labels are classes or values to predict"                                            \
    }

// How arrays are found. Either reads a header, with array_check done, and leaves the stream at the first
// element.
struct arrays_opener {
    // Opens the features' or the labels' array; NULL: each stands in a file of its own.
    enum status (*open)(const void *options, const struct data_files *files, bool labels, struct array *ret,
                        struct error *error);
    // Then reads the header at the stream's start, in messages called `name`.
    enum status (*read_header)(struct array *ret, struct error *error);
    const char *name;
    bool images; // a sample of two extents is an image of one channel
};

// The bodies of a format's functions.
enum status arrays_open(const struct arrays_opener *opener, const void *options,
                        const struct data_files *files, const void *like, void **ret,
                        struct source_info *ret_info, struct error *error);
enum status arrays_groups(void *source, const char *column, uint32_t *ret, struct error *error);
enum status arrays_read(void *source, const uint32_t *rows, size_t n, struct dataset *ret,
                        struct error *error);
void arrays_close(void *source);
