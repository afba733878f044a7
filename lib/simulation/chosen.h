// Some of an experiment's learners, as YAML names them: `learners: 3` for the last three, or `numbers: [0,
// 4]`.
#pragma once

#include "config/fields.h"

struct chosen {
    int64_t learners;        // the last so many, unless numbers are given
    struct int_list numbers; // from 0
};

// Two rows of a table whose struct has the member `chosen`; `what` completes "How many learners ...".
#define CHOSEN_FIELDS(options, what)                                                                         \
    {.name = "learners",                                                                                     \
     .type = FIELD_INT,                                                                                      \
     .offset = offsetof(options, chosen.learners),                                                           \
     .fallback = "1",                                                                                        \
     .min = 1,                                                                                               \
     .max = 100000,                                                                                          \
     .help = "How many learners " what ": the last so many of the experiment"},                              \
    {                                                                                                        \
        .name = "numbers", .type = FIELD_INTS, .offset = offsetof(options, chosen.numbers), .min = 0,        \
        .max = 100000, .help = "Which learners " what ", by number from 0, instead of the last ones"         \
    }

// Whether `learner` (from 0) of `n_learners` is one of them.
bool chosen_has(const struct chosen *chosen, uint32_t learner, uint32_t n_learners);
// How many of `n_learners` are.
uint32_t chosen_count(const struct chosen *chosen, uint32_t n_learners);
// INVALID_ARGUMENT when it names more learners than there are, or one twice.
enum status chosen_check(const struct chosen *chosen, const char *what, uint32_t n_learners,
                         struct error *error);
