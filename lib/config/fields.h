// Options as rows: one row says an option's name, type, default, bounds and meaning, and from it follow
// reading, checking, the resolved dump, --help, environment overrides and the reference docs.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/registry.h"
#include "config/yaml.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_BOOL,     // bool
    FIELD_INT,      // int64_t
    FIELD_REAL,     // double
    FIELD_TEXT,     // const char *; NULL when absent without a default
    FIELD_DURATION, // int64_t, milliseconds; written 250ms, 60s, 5m, 2h
    FIELD_BYTES,    // int64_t; written 512, 64KiB, 1MiB, 2GiB
    FIELD_WORD,     // int, an index into `words`
    FIELD_INTS,     // struct int_list; written [5, 5], or 5 for one
    FIELD_TEXTS,    // struct text_list
    FIELD_SECTION,  // an embedded struct that `fields` fill
    FIELD_CHOICE,   // struct choice: one kind of `registry` with its options
    FIELD_CHOICES,  // struct choice_list
    FIELD_SECTIONS, // struct section_list: a list of maps, each of which `fields` fill
};

struct int_list {
    size_t n;
    int64_t *values;
};

struct text_list {
    size_t n;
    const char **values;
};

// A kind that was chosen, and its options (NULL when the kind has none). Written as a word (`codec: f32`), as
// a map with a kind (`optimizer: {kind: sgd, learning_rate: 0.1}`) or as a map of one entry (`dense: {units:
// 10}`).
struct choice {
    const struct kind *kind; // NULL when absent without a default
    void *options;
    struct mark mark;
};

struct choice_list {
    size_t n;
    struct choice *choices;
};

struct section_list {
    size_t n;
    void *items; // [n], of the field's `item_bytes` each
};

struct field {
    const char *name; // NULL closes a table
    enum field_type type;
    size_t offset;        // of the member in the struct that the table fills
    const char *fallback; // the default as it would be written in YAML; NULL for none: the member stays zero
    bool required;
    // Bounds of a number, of a duration in ms, of each of a list's numbers; unchecked while both are zero.
    double min, max;          // max 0 with min non-zero or above set: no upper bound
    bool above;               // the value must be greater than `min`, not equal
    const char *const *words; // closed by NULL
    const struct field *fields;
    size_t item_bytes; // of a list of sections
    const struct registry *registry;
    // A section or value that may be absent: it then stays zero, nothing in it is required, and the dump
    // leaves it out.
    bool optional;
    size_t given_offset; // with `optional`: of the bool, in the table's struct, that tells whether it was
                         // written
    const char *help;    // one sentence, without the closing full stop
};

// Reads `map` (NULL: all absent) into `target`, which must be zeroed. Text and lists live in `arena`, marks
// as long as the document. Numbers are strict: no quotes, no inf or nan, whole numbers without a fraction. A
// key without a value is absent where absence can be told (text, lists, choices without a default, sections),
// else an error. Fails at the first unknown key (naming the nearest), wrong type, value out of bounds,
// missing required option or failed kind check, with its position; `target` is then part filled. Unknown keys
// that may be passed over (struct node) are.
enum status fields_read(const struct field *fields, const struct node *map, void *target, struct arena *arena,
                        struct error *error);

// Appends `target` as YAML that reads back to the same values, every default spelled out, `indent` levels
// deep.
void fields_dump(const struct field *fields, const void *target, int indent, struct bytes *ret);

// Appends the paths of those of the dump's options that stand at their defaults, a line each, as in
// "training.optimizer.momentum" or "model.layers.0.bias"; a section all of whose options do is one line. What
// a reader of the dump does not know, it may pass over if it is among them: document_let_pass.
void fields_defaults(const struct field *fields, const void *target, struct bytes *ret);

// For each option in `fields` (sections included) whose variable PREFIX_SECTION_KEY is in the environment,
// puts its value into the document, read as YAML except for text. An empty variable counts as absent.
enum status fields_apply_environment(const struct field *fields, const char *prefix,
                                     struct document *document, struct error *error);

// Appends a line an option: name, type, default, meaning; for --help. With `prefix`, the environment variable
// too.
void fields_help(const struct field *fields, const char *prefix, struct bytes *ret);

// Appends `fields` as reference documentation in Markdown: a table a section, called by its path, then every
// kind of every registry in reach with its own options.
void fields_reference(const struct field *fields, struct bytes *ret);
