// Every row of options in reach of an experiment, and every kind of every registry there: what --help, errors
// and the reference rely on.
#include "base/memory.h"
#include "experiment/experiment.h"
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

enum { REGISTRIES_MAX = 64 };

struct walk {
    const struct registry *registries[REGISTRIES_MAX];
    size_t n;
};

static void sentence(const char *owner, const char *name, const char *help)
{
    cr_assert_not_null(help, "%s.%s has no help", owner, name);
    size_t n = strlen(help);
    cr_assert_gt(n, 5, "%s.%s: '%s' explains nothing", owner, name, help);
    cr_assert_neq(help[n - 1], '.', "%s.%s: help ends with a full stop", owner, name);
    cr_assert_null(strchr(help, '\n'), "%s.%s: help is more than a line", owner, name);
}

static void word(const char *owner, const char *name)
{
    cr_assert(name && islower((unsigned char)name[0]), "a name in %s does not start with a letter", owner);
    cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name),
                 "%s.%s is no snake_case", owner, name);
}

static size_t member_bytes(enum field_type type)
{
    static const size_t bytes[] = {
        [FIELD_BOOL] = sizeof(bool),
        [FIELD_INT] = sizeof(int64_t),
        [FIELD_REAL] = sizeof(double),
        [FIELD_TEXT] = sizeof(char *),
        [FIELD_DURATION] = sizeof(int64_t),
        [FIELD_BYTES] = sizeof(int64_t),
        [FIELD_WORD] = sizeof(int),
        [FIELD_INTS] = sizeof(struct int_list),
        [FIELD_TEXTS] = sizeof(struct text_list),
        [FIELD_SECTION] = 0,
        [FIELD_CHOICE] = sizeof(struct choice),
        [FIELD_CHOICES] = sizeof(struct choice_list),
        [FIELD_SECTIONS] = sizeof(struct section_list),
    };
    return bytes[type];
}

static void check_fields(struct walk *walk, const char *owner, const struct field *fields, size_t bytes)
{
    for (const struct field *field = fields; field && field->name; field++) {
        word(owner, field->name);
        sentence(owner, field->name, field->help);
        cr_assert_leq(field->offset + member_bytes(field->type), bytes, "%s.%s lies outside its struct",
                      owner, field->name);
        cr_assert_not(field->required && field->fallback, "%s.%s is required and has a default", owner,
                      field->name);
        cr_assert_neq(strcmp(field->name, "kind"), 0, "%s: 'kind' names the kind itself", owner);
        for (const struct field *other = fields; other < field; other++)
            cr_assert_neq(strcmp(other->name, field->name), 0, "%s.%s stands twice", owner, field->name);
        if (field->type == FIELD_WORD)
            cr_assert(field->words && field->words[0], "%s.%s has no words", owner, field->name);
        if (field->type == FIELD_SECTION)
            check_fields(walk, field->name, field->fields, bytes);
        if (field->type == FIELD_SECTIONS)
            check_fields(walk, field->name, field->fields, field->item_bytes);
        if (field->type == FIELD_CHOICE || field->type == FIELD_CHOICES) {
            cr_assert_not_null(field->registry, "%s.%s has no registry", owner, field->name);
            bool known = false;
            for (size_t i = 0; i < walk->n; i++)
                known |= walk->registries[i] == field->registry;
            if (!known && walk->n < REGISTRIES_MAX)
                walk->registries[walk->n++] = field->registry;
        }
    }
}

static bool has_required(const struct field *fields)
{
    for (const struct field *field = fields; field && field->name; field++)
        if (field->required ||
            (field->type == FIELD_SECTION && !field->optional && has_required(field->fields)))
            return true;
    return false;
}

// What the defaults come to passes the kind's own check, and reads back from its dump.
static void check_defaults(const struct kind *kind)
{
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    struct document document = DOCUMENT_INIT;
    void *options = arena_alloc(&arena, kind->options_bytes),
         *again = arena_alloc(&arena, kind->options_bytes);
    cr_assert_eq(fields_read(kind->fields, NULL, options, &arena, &error), STATUS_OK, "%s: %s", kind->name,
                 error.message);
    if (kind->check)
        cr_assert_eq(kind->check(options, &error), STATUS_OK, "%s: %s", kind->name, error.message);
    fields_dump(kind->fields, options, 0, &first);
    cr_assert_eq(document_parse(&document, first.data, first.n, kind->name, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(fields_read(kind->fields, document.root, again, &arena, &error), STATUS_OK, "%s",
                 error.message);
    fields_dump(kind->fields, again, 0, &second);
    cr_assert_str_eq(first.data, second.data);
    bytes_release(&first);
    bytes_release(&second);
    document_release(&document);
    arena_release(&arena);
}

static void check_kind(struct walk *walk, const struct registry *registry, const struct kind *kind)
{
    word(registry->what, kind->name);
    sentence(registry->what, kind->name, kind->help);
    cr_assert_eq(registry_find(registry, kind->name), kind, "two kinds of %s are called %s", registry->what,
                 kind->name);
    cr_assert(kind->options_bytes || !kind->fields, "%s has fields and no struct", kind->name);
    check_fields(walk, kind->name, kind->fields, kind->options_bytes);
    if (kind->fields && !has_required(kind->fields))
        check_defaults(kind);
}

// Every registry in reach, its kinds checked on the way.
static void check_all(struct walk *walk)
{
    check_fields(walk, "experiment", experiment_fields, sizeof(struct experiment_options));
    for (size_t i = 0; i < walk->n; i++) { // grows while it is walked
        const struct registry *registry = walk->registries[i];
        word("registries", registry->what);
        cr_assert_gt(registry->n_kinds, 0);
        for (size_t k = 0; k < registry->n_kinds; k++)
            check_kind(walk, registry, registry->kinds[k]);
    }
}

Test(options, every_row_is_named_explained_and_within_its_struct)
{
    struct walk walk = {0};
    check_all(&walk);
    cr_assert_geq(walk.n, 11, "registries are out of reach");
}

// A kind that needs an option cannot be a default by its name alone, for one.
static void check_fallbacks(const struct field *fields)
{
    for (const struct field *field = fields; field && field->name; field++) {
        if (field->type == FIELD_SECTION)
            check_fallbacks(field->fields);
        if (!field->fallback)
            continue;
        struct field row[2] = {*field, {0}};
        struct arena arena = ARENA_INIT;
        struct error error = ERROR_INIT;
        row[0].offset = 0;
        row[0].optional = false;
        void *member = arena_alloc(&arena, member_bytes(field->type));
        cr_assert_eq(fields_read(row, NULL, member, &arena, &error), STATUS_OK, "the default of %s: %s",
                     field->name, error.message);
        arena_release(&arena);
    }
}

Test(options, every_default_can_be_read)
{
    struct walk walk = {0};
    check_all(&walk);
    check_fallbacks(experiment_fields);
    for (size_t i = 0; i < walk.n; i++)
        for (size_t k = 0; k < walk.registries[i]->n_kinds; k++)
            check_fallbacks(walk.registries[i]->kinds[k]->fields);
}
