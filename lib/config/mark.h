// Where something stands in what the user wrote, for errors that point at it.
#pragma once

#include "base/error.h"

struct mark {
    // File name, "--set training.batch_size=x" or "COHORT_LOG_LEVEL"; lives as long as the document. NULL:
    // nowhere.
    const char *source;
    unsigned int line; // from 1; 0 when the source has no lines
    unsigned int column;
};

// error_set with "source:line:column: " before the message.
enum status error_at(struct error *error, struct mark mark, enum status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Puts "source:line:column: " before a message that is already set; returns `status`.
enum status error_point(struct error *error, struct mark mark, enum status status);
