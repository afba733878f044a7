// Putting values into a document that is already parsed: overrides of the command line and the environment.
#include "base/memory.h"
#include "config/yaml.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_BYTES = 128, SHOWN_BYTES = 64 };

// A walk along "training.optimizer.learning_rate".
struct walk {
    struct arena *arena;
    struct mark mark;
    const char *path;
    struct error *error;
};

static enum status walk_problem(const struct walk *walk, const char *what)
{
    char shown[SHOWN_BYTES * 2];
    return error_at(walk->error, walk->mark, STATUS_INVALID_ARGUMENT, "'%s' cannot be set: %s",
                    yaml_shown(walk->path, shown, sizeof shown), what);
}

static enum status scalar_on_the_way(const struct walk *walk, const struct node *node)
{
    char shown[SHOWN_BYTES], path[SHOWN_BYTES * 2];
    yaml_shown(node->text, shown, sizeof shown);
    return error_at(walk->error, walk->mark, STATUS_INVALID_ARGUMENT,
                    "'%s' cannot be set: '%s' stands on the way and holds no keys; write it as a map, as in "
                    "{kind: %s}, first",
                    yaml_shown(walk->path, path, sizeof path), shown, shown);
}

static enum status step_into_list(const struct walk *walk, struct node *list, const char *part,
                                  struct node **ret)
{
    char what[128];
    snprintf(what, sizeof what, "a list is on the way; name one of its %zu items by number from 0",
             list->n_children);
    size_t digits = strspn(part, "0123456789");
    if (digits == 0 || digits > 6 || part[digits])
        return walk_problem(walk, what);
    size_t index = strtoul(part, NULL, 10);
    if (index >= list->n_children)
        return walk_problem(walk, what);
    struct node *item = list->children;
    while (index--)
        item = item->next;
    *ret = item;
    return STATUS_OK;
}

static enum status add_entry(const struct walk *walk, struct node *map, const char *part, struct node **ret)
{
    if (map->n_children >= YAML_KEYS_MAX)
        return walk_problem(walk, "the map there is full");
    struct node *entry = arena_alloc(walk->arena, sizeof *entry);
    char *key = arena_copy_text(walk->arena, part);
    if (!entry || !key)
        return error_no_memory(walk->error, sizeof *entry);
    *entry = (struct node){.mark = walk->mark, .key = key, .key_mark = walk->mark};
    struct node **link = &map->children;
    while (*link)
        link = &(*link)->next;
    *link = entry;
    map->n_children++;
    *ret = entry;
    return STATUS_OK;
}

static enum status step_into(const struct walk *walk, struct node *node, const char *part, struct node **ret)
{
    if (node->type == NODE_LIST)
        return step_into_list(walk, node, part, ret);
    if (node->type == NODE_SCALAR)
        return scalar_on_the_way(walk, node);
    node->type = NODE_MAP; // a null becomes one
    *ret = (struct node *)node_get(node, part);
    return *ret ? STATUS_OK : add_entry(walk, node, part, ret);
}

static enum status find_place(const struct walk *walk, struct node *node, struct node **ret)
{
    const char *rest = walk->path;
    for (int depth = 1;; depth++) {
        char part[PART_BYTES];
        size_t n = strcspn(rest, ".");
        if (n == 0)
            return walk_problem(walk, "a key is empty; write keys with single dots between");
        if (n >= sizeof part || depth > YAML_DEPTH_MAX)
            return walk_problem(walk, "the path is too long");
        memcpy(part, rest, n);
        part[n] = '\0';
        TRY(step_into(walk, node, part, &node));
        if (rest[n] == '\0')
            break;
        rest += n + 1;
    }
    *ret = node;
    return STATUS_OK;
}

static enum status set(struct document *document, const char *path, const struct node *value,
                       const struct mark mark, struct error *error)
{
    struct walk walk = {&document->arena, mark, path, error};
    struct node *place = NULL;
    TRY(find_place(&walk, document->root, &place));
    place->type = value->type;
    place->mark = value->mark;
    place->text = value->text;
    place->quoted = value->quoted;
    place->n_children = value->n_children;
    place->children = value->children;
    return STATUS_OK;
}

// ---- paths of what is there -----------------------------------------------------------------------------

enum { ITEM_DIGITS_MAX = 3 };

static struct node *item_at(const struct node *list, const char *part)
{
    size_t digits = strspn(part, "0123456789");
    if (digits == 0 || digits > ITEM_DIGITS_MAX || part[digits])
        return NULL;
    size_t index = strtoul(part, NULL, 10);
    struct node *item = list->children;
    while (item && index--)
        item = item->next;
    return item;
}

static struct node *node_at(struct node *node, const char *path, size_t n)
{
    for (size_t used; node && n; path += used, n -= used) {
        char part[PART_BYTES];
        const char *dot = memchr(path, '.', n);
        size_t length = dot ? (size_t)(dot - path) : n;
        if (length == 0 || length >= sizeof part)
            return NULL;
        memcpy(part, path, length);
        part[length] = '\0';
        node = node->type == NODE_LIST ? item_at(node, part) : (struct node *)node_get(node, part);
        used = length + (dot != NULL);
    }
    return node;
}

void document_let_pass(struct document *document, const char *paths)
{
    const char *end = paths + strnlen(paths, DOCUMENT_PASSABLE_BYTES);
    for (const char *line_end; (line_end = memchr(paths, '\n', (size_t)(end - paths)));
         paths = line_end + 1) {
        struct node *node = node_at(document->root, paths, (size_t)(line_end - paths));
        if (node)
            node->passable = true;
    }
}

// ---- values to be put ------------------------------------------------------------------------------------

static enum status copy_source(struct document *document, const char *source, struct mark *ret,
                               struct error *error)
{
    *ret = (struct mark){.source = arena_copy_text(&document->arena, source)};
    return ret->source ? STATUS_OK : error_no_memory(error, strlen(source));
}

enum status document_set(struct document *document, const char *path, const char *text, const char *source,
                         struct error *error)
{
    struct mark mark;
    struct node value = {0};
    TRY(copy_source(document, source, &mark, error));
    TRY(yaml_value(&document->arena, text, mark, &value, error));
    return set(document, path, &value, mark, error);
}

enum status document_set_text(struct document *document, const char *path, const char *text,
                              const char *source, struct error *error)
{
    struct mark mark;
    TRY(copy_source(document, source, &mark, error));
    struct node value = {.type = NODE_SCALAR, .mark = mark, .quoted = true};
    value.text = arena_copy_text(&document->arena, text);
    if (!value.text)
        return error_no_memory(error, strlen(text));
    return set(document, path, &value, mark, error);
}
