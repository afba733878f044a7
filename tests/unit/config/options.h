// A table with an option of every type, for tests of reading, dumping and explaining.
#pragma once

#include "config/fields.h"

struct sgd {
    double rate, momentum;
    bool nesterov;
};

extern const struct kind option_sgd, option_none, option_adam;

struct inner {
    int64_t minimum;
    double fraction;
};

extern const struct field inner_fields[];

struct whole {
    bool flag;
    int64_t count, deadline, limit, plain;
    double real;
    const char *text, *nothing;
    int word;
    struct int_list ints;
    struct text_list texts;
    bool has_inner, has_limit;
    struct inner inner;
    struct choice choice, absent, nested;
    struct choice_list choices;
};

extern const struct field whole_fields[];

struct item {
    int64_t count;
    struct choice choice;
};

extern const struct field list_fields[]; // of a struct section_list of them

struct fixture {
    struct document document;
    struct arena arena;
    struct whole whole;
    struct error error;
};

// Reads `text`, called x.yaml, by whole_fields, or by list_fields; to be released whatever comes of it.
enum status read_text(struct fixture *fixture, const char *text);
enum status read_list(struct fixture *fixture, const char *text, struct section_list *ret);
void release(struct fixture *fixture);
// Asserts that the text is taken, or refused with this message.
struct fixture taken(const char *text);
void refused(const char *text, const char *expected);
// What is dumped reads back and is dumped as the same text, which it returns.
char *dump_twice(const struct fixture *fixture);
