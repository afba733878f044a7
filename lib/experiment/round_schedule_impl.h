// What the schedules share: options about stale summaries.
#pragma once

#include "config/fields.h"
#include "experiment/round_schedule.h"

enum { ROUND_STALENESS_MAX = 1000000 };

#define STALENESS_FIELDS(options)                                                                            \
    {.name = "max_staleness",                                                                                \
     .type = FIELD_INT,                                                                                      \
     .offset = offsetof(options, max_staleness),                                                             \
     .fallback = "10",                                                                                       \
     .min = 0,                                                                                               \
     .max = ROUND_STALENESS_MAX,                                                                             \
     .help = "Commits since the model that a summary started from, beyond which it is rejected"},            \
    {                                                                                                        \
        .name = "discount", .type = FIELD_REAL, .offset = offsetof(options, discount), .fallback = "0.5",    \
        .min = 0, .max = 100,                                                                                \
        .help = "A stale summary counts (1 + staleness)^-discount of its weight; 0: all of it"               \
    }
