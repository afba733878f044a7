// Which options stand at their defaults.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 256 };

union member {
    bool flag;
    int word;
    int64_t number;
    double real;
    const char *text;
    struct int_list ints;
    struct text_list texts;
    struct choice choice;
    struct choice_list choices;
    struct section_list sections;
};

struct walk {
    struct arena arena; // of defaults that were read
    char path[PATH_BYTES];
    size_t n; // of the path
    struct bytes *ret;
};

// Their dumps are compared, so that every type is told apart as the reader of a dump would.
static bool same(const struct field *field, const void *member, const union member *other)
{
    struct bytes texts[2] = {BYTES_INIT, BYTES_INIT};
    field_dump(field, member, 0, &texts[0]);
    field_dump(field, other, 0, &texts[1]);
    bool same = !texts[0].failed && !texts[1].failed && texts[0].n == texts[1].n &&
                memcmp(texts[0].data, texts[1].data, texts[0].n) == 0;
    bytes_release(&texts[0]);
    bytes_release(&texts[1]);
    return same;
}

static bool at_default(struct walk *walk, const struct field *field, const void *target)
{
    const void *member = field_member(field, target);
    union member fallback = {0};
    struct error error = ERROR_INIT;
    const struct reader reader = {&walk->arena, &error};
    if (field->required || field->optional) // an optional one that is there was written
        return false;
    if (field->type != FIELD_SECTION)
        return (!field->fallback ||
                field_fallback(&reader, field, (struct mark){0}, &fallback) == STATUS_OK) &&
               same(field, member, &fallback);
    for (const struct field *row = field->fields; row && row->name; row++)
        if (!field_is_absent(row, member) && !at_default(walk, row, member))
            return false;
    return true;
}

static void list_fields(struct walk *walk, const struct field *fields, const void *target);

// What is below `name`, or item `i` of a list where it is NULL. Paths that are too long are left out.
static void list_below(struct walk *walk, const char *name, size_t i, const struct field *fields,
                       const void *target)
{
    size_t n = walk->n, left = sizeof walk->path - n;
    int added =
        name ? snprintf(walk->path + n, left, "%s.", name) : snprintf(walk->path + n, left, "%zu.", i);
    if (added < 0 || (size_t)added >= left)
        return;
    walk->n += (size_t)added;
    list_fields(walk, fields, target);
    walk->n = n;
    walk->path[n] = '\0';
}

static void list_items(struct walk *walk, const struct field *field, const void *member)
{
    size_t n = walk->n, left = sizeof walk->path - n;
    int added = snprintf(walk->path + n, left, "%s.", field->name);
    if (added < 0 || (size_t)added >= left)
        return;
    walk->n += (size_t)added;
    if (field->type == FIELD_CHOICES) {
        const struct choice_list *list = member;
        for (size_t i = 0; i < list->n; i++)
            list_below(walk, NULL, i, list->choices[i].kind->fields, list->choices[i].options);
    } else {
        const struct section_list *list = member;
        for (size_t i = 0; i < list->n; i++)
            list_below(walk, NULL, i, field->fields, (const char *)list->items + i * field->item_bytes);
    }
    walk->n = n;
    walk->path[n] = '\0';
}

static void list_fields(struct walk *walk, const struct field *fields, const void *target)
{
    for (const struct field *field = fields; field && field->name; field++) {
        const void *member = field_member(field, target);
        if (field_is_absent(field, target))
            continue;
        if (at_default(walk, field, target)) {
            bytes_format(walk->ret, "%s%s\n", walk->path, field->name);
        } else if (field->type == FIELD_SECTION) {
            list_below(walk, field->name, 0, field->fields, member);
        } else if (field->type == FIELD_CHOICE) {
            const struct choice *choice = member;
            list_below(walk, field->name, 0, choice->kind->fields, choice->options);
        } else if (field->type == FIELD_CHOICES || field->type == FIELD_SECTIONS) {
            list_items(walk, field, member);
        }
    }
}

void fields_defaults(const struct field *fields, const void *target, struct bytes *ret)
{
    struct walk walk = {.arena = ARENA_INIT, .ret = ret};
    list_fields(&walk, fields, target);
    arena_release(&walk.arena);
}
