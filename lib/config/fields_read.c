// Nodes to structs, row by row.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

// A map being read. `map` NULL: all absent; `mark` is then where it would have stood.
struct scope {
    const struct node *map;
    struct mark mark;
    const char *owner; // "sgd", "training"; NULL at the root
    bool kinded;       // the key `kind` has been read already
};

static enum status read_scope(const struct reader *reader, const struct field *fields,
                              const struct scope *scope, void *target);

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (const struct field *field = fields; field && field->name; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

static void append_name(char *names, const char *name)
{
    size_t n = strlen(names);
    snprintf(names + n, NAMES_BYTES - n, "%s%s", n ? ", " : "", name);
}

static enum status unknown_key(const struct reader *reader, const struct field *fields,
                               const struct scope *scope, const struct node *entry)
{
    const char *known[64];
    char names[NAMES_BYTES] = "", shown[SHOWN_BYTES];
    size_t n = 0;
    yaml_shown(entry->key, shown, sizeof shown);
    for (const struct field *field = fields; field && field->name; field++) {
        append_name(names, field->name);
        if (n < ARRAY_SIZE(known))
            known[n++] = field->name;
    }
    if (n == 0)
        return error_at(reader->error, entry->key_mark, STATUS_INVALID_ARGUMENT,
                        "unknown key '%s'; %s has no options, remove it", shown,
                        scope->owner ? scope->owner : "this");
    const char *near = nearest_word(entry->key, known, n);
    return error_at(reader->error, entry->key_mark, STATUS_INVALID_ARGUMENT,
                    "unknown key '%s'; %s%s%sallowed: %s", shown, near ? "did you mean '" : "",
                    near ? near : "", near ? "'? " : "", names);
}

static enum status check_keys(const struct reader *reader, const struct field *fields,
                              const struct scope *scope)
{
    if (!scope->map)
        return STATUS_OK;
    for (const struct node *entry = scope->map->children; entry; entry = entry->next) {
        if (scope->kinded && strcmp(entry->key, "kind") == 0)
            continue;
        if (!find_field(fields, entry->key) && !entry->passable)
            return unknown_key(reader, fields, scope, entry);
    }
    return STATUS_OK;
}

static enum status missing(const struct reader *reader, const struct field *field, const struct scope *scope)
{
    char expects[NAMES_BYTES], bounds[NAMES_BYTES];
    field_bounds(field, bounds);
    return error_at(reader->error, scope->mark, STATUS_INVALID_ARGUMENT, "missing '%s'%s%s; give %s%s%s",
                    field->name, scope->owner ? " of " : "", scope->owner ? scope->owner : "",
                    field_expects(field, expects), bounds[0] ? " " : "", bounds);
}

static enum status unknown_kind(const struct reader *reader, const struct registry *registry,
                                const char *word, struct mark mark)
{
    const char *known[128];
    char names[NAMES_BYTES], shown[SHOWN_BYTES];
    size_t n = 0;
    while (n < registry->n_kinds && n < ARRAY_SIZE(known)) {
        known[n] = registry->kinds[n]->name;
        n++;
    }
    registry_names(registry, names, sizeof names);
    const char *near = nearest_word(word, known, n);
    return error_at(reader->error, mark, STATUS_INVALID_ARGUMENT, "unknown %s '%s'; %s%s%sknown: %s",
                    registry->what, yaml_shown(word, shown, sizeof shown), near ? "did you mean '" : "",
                    near ? near : "", near ? "'? " : "", names);
}

static enum status choice_make(const struct reader *reader, const struct registry *registry, const char *word,
                               struct mark word_mark, struct scope scope, struct choice *ret)
{
    const struct kind *kind = registry_find(registry, word);
    if (!kind)
        return unknown_kind(reader, registry, word, word_mark);
    struct choice choice = {.kind = kind, .mark = scope.mark};
    if (kind->options_bytes) {
        choice.options = arena_alloc(reader->arena, kind->options_bytes);
        if (!choice.options)
            return error_no_memory(reader->error, kind->options_bytes);
    }
    scope.owner = kind->name;
    TRY(read_scope(reader, kind->fields, &scope, choice.options));
    if (kind->check) {
        enum status status = kind->check(choice.options, reader->error);
        if (status != STATUS_OK)
            return error_point(reader->error, choice.mark, status);
    }
    *ret = choice;
    return STATUS_OK;
}

// The three ways to write a choice: see struct choice.
static enum status choice_read(const struct reader *reader, const struct field *field,
                               const struct node *node, struct choice *ret)
{
    struct scope scope = {.mark = node->mark};
    if (node->type == NODE_SCALAR)
        return choice_make(reader, field->registry, node->text, node->mark, scope, ret);
    if (node->type != NODE_MAP)
        return field_wrong(reader, field, node);
    const struct node *kind = node_get(node, "kind");
    if (kind && kind->type == NODE_SCALAR) {
        scope.map = node;
        scope.kinded = true;
        return choice_make(reader, field->registry, kind->text, kind->mark, scope, ret);
    }
    const struct node *only = node->children;
    if (kind || node->n_children != 1 || (only->type != NODE_MAP && only->type != NODE_NULL))
        return field_wrong(reader, field, node);
    scope.map = only->type == NODE_MAP ? only : NULL;
    scope.mark = only->key_mark;
    return choice_make(reader, field->registry, only->key, only->key_mark, scope, ret);
}

static enum status choices_read(const struct reader *reader, const struct field *field,
                                const struct node *node, struct choice_list *ret)
{
    if (node->type != NODE_LIST)
        return field_wrong(reader, field, node);
    struct choice_list list = {.n = node->n_children};
    list.choices = arena_array(reader->arena, list.n, sizeof *list.choices);
    if (!list.choices)
        return error_no_memory(reader->error, list.n * sizeof *list.choices);
    const struct field one = {.name = field->name, .type = FIELD_CHOICE, .registry = field->registry};
    size_t i = 0;
    for (const struct node *item = node->children; item; item = item->next)
        TRY(choice_read(reader, &one, item, &list.choices[i++]));
    *ret = list;
    return STATUS_OK;
}

static enum status ints_read(const struct reader *reader, const struct field *field, const struct node *node,
                             struct int_list *ret)
{
    const struct node *first = node->type == NODE_LIST ? node->children : node;
    struct int_list list = {.n = node->type == NODE_LIST ? node->n_children : 1};
    list.values = arena_array(reader->arena, list.n, sizeof *list.values);
    if (!list.values)
        return error_no_memory(reader->error, list.n * sizeof *list.values);
    struct field one = *field;
    one.type = FIELD_INT;
    for (size_t i = 0; i < list.n; i++, first = first->next)
        TRY(value_read(reader, &one, first, &list.values[i]));
    *ret = list;
    return STATUS_OK;
}

static enum status texts_read(const struct reader *reader, const struct field *field, const struct node *node,
                              struct text_list *ret)
{
    if (node->type != NODE_LIST)
        return field_wrong(reader, field, node);
    struct text_list list = {.n = node->n_children};
    list.values = arena_array(reader->arena, list.n, sizeof *list.values);
    if (!list.values)
        return error_no_memory(reader->error, list.n * sizeof *list.values);
    const struct field one = {.name = field->name, .type = FIELD_TEXT};
    size_t i = 0;
    for (const struct node *item = node->children; item; item = item->next)
        TRY(value_read(reader, &one, item, &list.values[i++]));
    *ret = list;
    return STATUS_OK;
}

static enum status section_read(const struct reader *reader, const struct field *field,
                                const struct node *node, struct mark mark, void *member)
{
    struct scope scope = {.mark = node ? node->mark : mark, .owner = field->name};
    if (node && node->type != NODE_MAP && node->type != NODE_NULL)
        return field_wrong(reader, field, node);
    scope.map = node && node->type == NODE_MAP ? node : NULL;
    return read_scope(reader, field->fields, &scope, member);
}

static enum status sections_read(const struct reader *reader, const struct field *field,
                                 const struct node *node, struct section_list *ret)
{
    if (node->type != NODE_LIST)
        return field_wrong(reader, field, node);
    struct section_list list = {.n = node->n_children};
    list.items = arena_array(reader->arena, list.n, field->item_bytes);
    if (!list.items)
        return error_no_memory(reader->error, list.n * field->item_bytes);
    char *item = list.items;
    for (const struct node *map = node->children; map; map = map->next, item += field->item_bytes)
        TRY(section_read(reader, field, map, map->mark, item));
    *ret = list;
    return STATUS_OK;
}

static enum status member_read(const struct reader *reader, const struct field *field,
                               const struct node *node, void *member)
{
    switch (field->type) {
    case FIELD_INTS:
        return ints_read(reader, field, node, member);
    case FIELD_TEXTS:
        return texts_read(reader, field, node, member);
    case FIELD_CHOICE:
        return choice_read(reader, field, node, member);
    case FIELD_CHOICES:
        return choices_read(reader, field, node, member);
    case FIELD_SECTIONS:
        return sections_read(reader, field, node, member);
    default:
        return value_read(reader, field, node, member);
    }
}

// Most defaults are one plain word, which needs no parser.
static bool is_plain_word(const char *text)
{
    if (!isalnum((unsigned char)*text) && *text != '-')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_.+-", *text))
            return false;
    return true;
}

enum status field_fallback(const struct reader *reader, const struct field *field, struct mark mark,
                           void *member)
{
    struct node node = {.type = NODE_SCALAR, .mark = mark, .text = field->fallback};
    if (!is_plain_word(field->fallback))
        TRY(yaml_value(reader->arena, field->fallback, mark, &node, reader->error));
    return member_read(reader, field, &node, member);
}

// Whether a key without a value may stand for an absent one: where a default or a zero would be a surprise,
// not.
static bool may_be_empty(const struct field *field)
{
    if (field->required || field->fallback)
        return false;
    return field->type == FIELD_TEXT || field->type >= FIELD_INTS;
}

static enum status field_read(const struct reader *reader, const struct field *field,
                              const struct scope *scope, void *target)
{
    const struct node *node = node_get(scope->map, field->name);
    void *member = field_member(field, target);
    bool empty = node && node->type == NODE_NULL;
    if (field->optional) {
        *((bool *)((char *)target + field->given_offset)) = node && !empty;
        if (!node || empty)
            return STATUS_OK;
    }
    if (field->type == FIELD_SECTION)
        return section_read(reader, field, node, scope->mark, member);
    if (empty && !may_be_empty(field))
        return field_wrong(reader, field, node);
    if (node && !empty)
        return member_read(reader, field, node, member);
    if (field->required)
        return missing(reader, field, scope);
    return field->fallback ? field_fallback(reader, field, scope->mark, member) : STATUS_OK;
}

static enum status read_scope(const struct reader *reader, const struct field *fields,
                              const struct scope *scope, void *target)
{
    TRY(check_keys(reader, fields, scope));
    for (const struct field *field = fields; field && field->name; field++)
        TRY(field_read(reader, field, scope, target));
    return STATUS_OK;
}

enum status fields_read(const struct field *fields, const struct node *map, void *target, struct arena *arena,
                        struct error *error)
{
    const struct reader reader = {arena, error};
    struct scope scope = {.map = map};
    if (map)
        scope.mark = map->mark;
    return read_scope(&reader, fields, &scope, target);
}
