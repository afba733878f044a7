// Kinds of things that an experiment chooses by one word: layers, losses, optimizers, formats, partitions,
// codecs, reducers, topologies, algorithms, selectors. A folder's .def file lists X(name) rows; C includes it
// to build the table and meson reads it to add name.c. The YAML loader, error messages, --help and the
// conformance tests all work from these tables.
#pragma once

#include "base/error.h"
#include <stddef.h>

struct field; // lib/config/fields.h; base only passes it along

// The first member of every registry's row, so that a table of rows serves as a table of kinds.
struct kind {
    const char *name;           // the word in YAML
    const char *help;           // one sentence, without the closing full stop
    const struct field *fields; // its options, closed by an empty row; NULL when it has none
    size_t options_bytes;       // size of the struct that `fields` fill
    // Checks options against each other; NULL when there is nothing to check. May be called from any thread.
    enum status (*check)(const void *options, struct error *error);
};

struct registry {
    const char *what; // "optimizer"
    const struct kind *const *kinds;
    size_t n_kinds;
};

// The kind called `name`, or NULL.
const struct kind *registry_find(const struct registry *registry, const char *name);

// "adam, adamw, sgd" into `ret`, cut to fit.
void registry_names(const struct registry *registry, char *ret, size_t bytes);

// The word of `words` closest to `word` by edit distance (Damerau 1964), or NULL when none is near enough to
// be meant.
const char *nearest_word(const char *word, const char *const *words, size_t n_words);
