// Where something stands in what the user wrote, for errors that point at it.
#pragma once

#include "base/error.h"

struct mark {
    const char *
        source; // file name, "--set training.batch_size" or "COHORT_LOG_LEVEL"; lives as long as the document
    unsigned int line; // from 1; 0 when the source has no lines
    unsigned int column;
};

// error_set with "source:line:column: " before the message.
enum status error_at(struct error *error, struct mark mark, enum status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
