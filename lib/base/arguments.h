// A program's command line: options as rows, from which parsing, errors and --help follow.
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum argument_type {
    ARGUMENT_FLAG,  // bool: --quiet
    ARGUMENT_TEXT,  // const char *: --out DIR or --out=DIR
    ARGUMENT_COUNT, // int64_t, at least 0
    ARGUMENT_REAL,  // double
    ARGUMENT_TEXTS, // struct texts: may be given several times
};

struct texts {
    const char **items; // freed by the caller with memory_free
    size_t n;
};

struct argument {
    const char *name; // "--out"; NULL closes the table
    enum argument_type type;
    void *target;
    const char *value; // what to call the value in --help
    const char *help;
};

// Reads argv[1..argc) into the rows' targets; what is no option goes into `ret_words` in order (at most
// `max_words`; one more is an error that names it). "--" ends the options. INVALID_ARGUMENT names the option,
// the nearest known one, and what to do.
enum status arguments_read(const struct argument *table, int argc, char **argv, struct texts *ret_words,
                           size_t max_words, struct error *error);

// True when --help or -h is among the arguments before "--".
bool arguments_want_help(int argc, char **argv);

// Appends a line an option.
void arguments_help(const struct argument *table, struct bytes *ret);
