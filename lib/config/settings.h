// A program's settings: a file, then the environment, then the command line, each over the one before.
#pragma once

#include "base/arguments.h"
#include "config/fields.h"

struct settings {
    struct document document;
    struct arena arena;
};

#define SETTINGS_INIT ((struct settings){0})

// Reads `fields` into `target` (zeroed): from the file at `path` (NULL: none), from variables
// PREFIX_SECTION_KEY, and from `overrides`, each "key.path=value". What text and lists point to lives in
// `settings`.
enum status settings_read(struct settings *settings, const struct field *fields, const char *path,
                          const char *prefix, const struct texts *overrides, void *target,
                          struct error *error);
void settings_release(struct settings *settings);
