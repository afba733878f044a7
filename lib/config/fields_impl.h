// What the files that read, dump and explain fields share.
#pragma once

#include "config/fields.h"

enum { SHOWN_BYTES = 64, NAMES_BYTES = 512, REAL_BYTES = 32 };

struct reader {
    struct arena *arena;
    struct error *error;
};

// Reads a scalar of FIELD_BOOL to FIELD_WORD into `member`. `node` is no null.
enum status value_read(const struct reader *reader, const struct field *field, const struct node *node,
                       void *member);
// Appends the member as value_read reads it back.
void value_dump(const struct field *field, const void *member, struct bytes *ret);
// `text` as a plain scalar where every YAML reader takes it for text, else double-quoted.
void text_dump(const char *text, struct bytes *ret);
// Appends " value\n", or the lines of a section, a list or a kind's options, as after "name:". Some of a
// section's options are dumped: an empty one would read back as no value.
void field_dump(const struct field *field, const void *member, int indent, struct bytes *ret);
// An option that was not written and that cannot be, as it stands: the reader makes the same of its absence.
bool field_is_absent(const struct field *field, const void *target);
// Reads the row's fallback into `member`.
enum status field_fallback(const struct reader *reader, const struct field *field, struct mark mark,
                           void *member);
// False for a number that was never written and that its own bounds would refuse.
bool value_in_bounds(const struct field *field, const void *member);

// "a whole number", "one of ..."; into `ret` [NAMES_BYTES], which it returns.
const char *field_expects(const struct field *field, char *ret);
// "greater than 0 and at most 1"; empty without bounds. Into `ret` [NAMES_BYTES], which it returns.
const char *field_bounds(const struct field *field, char *ret);
// "NAME must be ..., not a list", pointing at `node`.
enum status field_wrong(const struct reader *reader, const struct field *field, const struct node *node);

// The shortest decimal that reads back to `value`, whatever the locale. Returns `ret`.
const char *real_format(double value, char ret[REAL_BYTES]);

static inline void *field_member(const struct field *field, const void *target)
{
    return (char *)target + field->offset;
}
