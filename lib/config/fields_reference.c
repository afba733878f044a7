// Reference documentation from the rows.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { REGISTRIES_MAX = 64, PATH_BYTES = 192 };

// Registries in the order in which they were met.
struct reference {
    const struct registry *registries[REGISTRIES_MAX];
    size_t n_registries;
    struct bytes *text;
};

static void remember(struct reference *reference, const struct registry *registry)
{
    for (size_t i = 0; i < reference->n_registries; i++)
        if (reference->registries[i] == registry)
            return;
    if (reference->n_registries < REGISTRIES_MAX)
        reference->registries[reference->n_registries++] = registry;
}

// A cell of a table: what would end it is escaped.
static void cell(struct bytes *text, const char *content)
{
    for (; *content; content++) {
        if (*content == '|')
            bytes_text(text, "\\");
        bytes_append(text, content, 1);
    }
}

static void type_cell(const struct field *field, struct bytes *text)
{
    char words[NAMES_BYTES];
    assert(field->registry || (field->type != FIELD_CHOICE && field->type != FIELD_CHOICES));
    if (field->type == FIELD_CHOICE)
        bytes_format(text, "one [%s](#%s)", field->registry->what, field->registry->what);
    else if (field->type == FIELD_CHOICES)
        bytes_format(text, "a list, each item one [%s](#%s)", field->registry->what, field->registry->what);
    else
        cell(text, field_expects(field, words));
    field_bounds(field, words);
    if (*words)
        bytes_format(text, ", %s", words);
}

static void default_cell(const struct field *field, struct bytes *text)
{
    if (field->required)
        bytes_text(text, "required");
    else if (!field->fallback)
        bytes_text(text, "none");
    else {
        bytes_text(text, "`");
        cell(text, field->fallback);
        bytes_text(text, "`");
    }
}

static void row(struct reference *reference, const struct field *field)
{
    struct bytes *text = reference->text;
    if (field->registry)
        remember(reference, field->registry);
    bytes_format(text, "| `%s` | ", field->name);
    type_cell(field, text);
    bytes_text(text, " | ");
    default_cell(field, text);
    bytes_text(text, " | ");
    cell(text, field->help ? field->help : "");
    bytes_text(text, " |\n");
}

// The rows that are no sections; nothing when all of them are.
static void table(struct reference *reference, const struct field *fields)
{
    bool open = false;
    for (const struct field *field = fields; field && field->name; field++) {
        if (field->type == FIELD_SECTION || field->type == FIELD_SECTIONS)
            continue;
        if (!open)
            bytes_text(reference->text, "| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        open = true;
        row(reference, field);
    }
    if (open)
        bytes_text(reference->text, "\n");
}

static void sections(struct reference *reference, const struct field *fields, const char *path)
{
    table(reference, fields);
    for (const struct field *field = fields; field && field->name; field++) {
        char key[PATH_BYTES];
        bool list = field->type == FIELD_SECTIONS;
        if (field->type != FIELD_SECTION && !list)
            continue;
        snprintf(key, sizeof key, "%s%s%s", path, *path ? "." : "", field->name);
        bytes_format(reference->text, "### `%s`\n%s%s.\n\n", key, field->help ? field->help : "",
                     list              ? "; a list of maps, which may be left out"
                     : field->optional ? "; may be left out"
                                       : "");
        sections(reference, field->fields, key);
    }
}

static void kinds(struct reference *reference, const struct registry *registry)
{
    bytes_format(reference->text, "## %s\n", registry->what);
    for (size_t i = 0; i < registry->n_kinds; i++) {
        const struct kind *kind = registry->kinds[i];
        bytes_format(reference->text, "### %s `%s`\n%s.\n\n", registry->what, kind->name,
                     kind->help ? kind->help : "");
        sections(reference, kind->fields, "");
    }
}

void fields_reference(const struct field *fields, struct bytes *ret)
{
    struct reference reference = {.text = ret};
    sections(&reference, fields, "");
    for (size_t i = 0; i < reference.n_registries; i++) // grows while it is walked
        kinds(&reference, reference.registries[i]);
}
