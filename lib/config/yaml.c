// libyaml's events to nodes. Recursion is as deep as the document's nesting, which YAML_DEPTH_MAX bounds.
#include "config/yaml.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>
#include <yaml.h>

// Nodes, keys and text of the largest document that the other bounds allow stay below this.
enum { ARENA_BYTES_MAX = 64 << 20, SHOWN_BYTES = 64 };

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    const char *source;
    const struct mark *mark; // instead of positions, when not NULL
    size_t n_nodes;
    struct error *error;
};

static struct mark mark_of(const struct builder *builder, yaml_mark_t at)
{
    if (builder->mark)
        return *builder->mark;
    return (struct mark){builder->source, (unsigned int)at.line + 1, (unsigned int)at.column + 1};
}

const char *yaml_shown(const char *text, char *ret, size_t bytes)
{
    size_t n = 0, length = strlen(text);
    bool cut = length >= bytes;
    size_t limit = cut ? bytes - 4 : length;
    for (; n < limit; n++)
        ret[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7F ? '?' : text[n];
    while (cut && n && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    snprintf(ret + n, bytes - n, "%s", cut ? "..." : "");
    return ret;
}

// The reader knows only the byte at which it stopped.
static yaml_mark_t mark_of_offset(const yaml_parser_t *parser)
{
    yaml_mark_t mark = {0};
    const unsigned char *text = parser->input.string.start;
    size_t n = (size_t)(parser->input.string.end - text);
    for (size_t i = 0; i < parser->problem_offset && i < n; i++) {
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((text[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static enum status parser_problem(const struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return error_no_memory(builder->error, sizeof *parser);
    if (parser->error == YAML_READER_ERROR)
        return error_at(builder->error, mark_of(builder, mark_of_offset(parser)), STATUS_INVALID_ARGUMENT,
                        "not YAML: %s (byte %zu); save the file as plain UTF-8 text", problem,
                        parser->problem_offset);
    return error_at(builder->error, mark_of(builder, parser->problem_mark), STATUS_INVALID_ARGUMENT,
                    "not YAML: %s%s%s; check the indentation, colons and quotes here",
                    parser->context ? parser->context : "", parser->context ? ", " : "", problem);
}

static enum status next_event(struct builder *builder, yaml_event_t *ret)
{
    return yaml_parser_parse(&builder->parser, ret) ? STATUS_OK : parser_problem(builder);
}

static enum status refuse(const struct builder *builder, const yaml_event_t *event, const char *what)
{
    return error_at(builder->error, mark_of(builder, event->start_mark), STATUS_INVALID_ARGUMENT, "%s", what);
}

static bool event_has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL;
    default:
        return false;
    }
}

static bool event_has_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static enum status check_event(struct builder *builder, const yaml_event_t *event, int depth)
{
    if (event_has_anchor(event))
        return refuse(builder, event, "anchors and aliases are not supported; write the value out");
    if (event_has_tag(event))
        return refuse(builder, event, "tags are not supported; remove what starts with '!'");
    if (depth > YAML_DEPTH_MAX)
        return error_at(builder->error, mark_of(builder, event->start_mark), STATUS_INVALID_ARGUMENT,
                        "nested more than %d deep; flatten it", YAML_DEPTH_MAX);
    if (++builder->n_nodes > YAML_NODES_MAX)
        return error_at(builder->error, mark_of(builder, event->start_mark), STATUS_INVALID_ARGUMENT,
                        "more than %d values; shorten the text", YAML_NODES_MAX);
    return STATUS_OK;
}

static bool is_null_word(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static enum status copy_scalar(struct builder *builder, const yaml_event_t *event, const char **ret)
{
    const char *text = (const char *)event->data.scalar.value;
    if (memchr(text, '\0', event->data.scalar.length))
        return refuse(builder, event, "a NUL byte has no place in a value; remove the \\0");
    *ret = arena_copy_bytes(builder->arena, text, event->data.scalar.length);
    return *ret ? STATUS_OK : error_no_memory(builder->error, event->data.scalar.length);
}

static enum status build(struct builder *builder, const yaml_event_t *event, int depth, struct node *ret);

static struct node *append_child(struct builder *builder, struct node *parent, struct node *last)
{
    struct node *child = arena_alloc(builder->arena, sizeof *child);
    if (!child)
        return NULL;
    if (last)
        last->next = child;
    else
        parent->children = child;
    parent->n_children++;
    return child;
}

static enum status build_list(struct builder *builder, int depth, struct node *ret)
{
    ret->type = NODE_LIST;
    for (struct node *last = NULL;;) {
        yaml_event_t event;
        TRY(next_event(builder, &event));
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        enum status status = STATUS_OK;
        if (!end) {
            last = append_child(builder, ret, last);
            status = last ? build(builder, &event, depth + 1, last) : error_no_memory(builder->error, 0);
        }
        yaml_event_delete(&event);
        if (end || status != STATUS_OK)
            return status;
    }
}

static enum status check_key(struct builder *builder, const struct node *map, const char *key,
                             struct mark mark)
{
    char shown[SHOWN_BYTES];
    const struct node *first = node_get(map, key);
    if (first && first->key_mark.line)
        return error_at(builder->error, mark, STATUS_INVALID_ARGUMENT,
                        "key '%s' stands here again, first in line %u; remove one",
                        yaml_shown(key, shown, sizeof shown), first->key_mark.line);
    if (first)
        return error_at(builder->error, mark, STATUS_INVALID_ARGUMENT,
                        "key '%s' stands here twice; remove one", yaml_shown(key, shown, sizeof shown));
    if (map->n_children >= YAML_KEYS_MAX)
        return error_at(builder->error, mark, STATUS_INVALID_ARGUMENT,
                        "more than %d keys in one map; remove some", YAML_KEYS_MAX);
    return STATUS_OK;
}

// The key's event, then the value's.
static enum status build_entry(struct builder *builder, const yaml_event_t *event, int depth,
                               struct node *map, struct node **last)
{
    const char *key;
    TRY(check_event(builder, event, depth));
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(builder, event, "a key must be a word, not a list or a map");
    TRY(copy_scalar(builder, event, &key));
    struct mark mark = mark_of(builder, event->start_mark);
    TRY(check_key(builder, map, key, mark));

    yaml_event_t value;
    TRY(next_event(builder, &value));
    struct node *entry = append_child(builder, map, *last);
    enum status status = entry ? build(builder, &value, depth, entry) : error_no_memory(builder->error, 0);
    yaml_event_delete(&value);
    if (status == STATUS_OK) {
        entry->key = key;
        entry->key_mark = mark;
        *last = entry;
    }
    return status;
}

static enum status build_map(struct builder *builder, int depth, struct node *ret)
{
    ret->type = NODE_MAP;
    for (struct node *last = NULL;;) {
        yaml_event_t event;
        TRY(next_event(builder, &event));
        bool end = event.type == YAML_MAPPING_END_EVENT;
        enum status status = end ? STATUS_OK : build_entry(builder, &event, depth + 1, ret, &last);
        yaml_event_delete(&event);
        if (end || status != STATUS_OK)
            return status;
    }
}

static enum status build(struct builder *builder, const yaml_event_t *event, int depth, struct node *ret)
{
    TRY(check_event(builder, event, depth));
    ret->mark = mark_of(builder, event->start_mark);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return build_list(builder, depth, ret);
    if (event->type == YAML_MAPPING_START_EVENT)
        return build_map(builder, depth, ret);
    TRY(copy_scalar(builder, event, &ret->text));
    ret->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    ret->type = !ret->quoted && is_null_word(ret->text) ? NODE_NULL : NODE_SCALAR;
    return STATUS_OK;
}

static enum status expect_end(struct builder *builder)
{
    yaml_event_t event;
    TRY(next_event(builder, &event)); // the document's end
    yaml_event_delete(&event);
    TRY(next_event(builder, &event));
    enum status status = STATUS_OK;
    if (event.type != YAML_STREAM_END_EVENT)
        status = refuse(builder, &event, "a second document starts here; keep one a file");
    yaml_event_delete(&event);
    return status;
}

// `ret` stays a null when the text holds nothing.
static enum status build_document(struct builder *builder, int depth, struct node *ret)
{
    yaml_event_t event;
    TRY(next_event(builder, &event)); // the stream's start
    yaml_event_delete(&event);
    TRY(next_event(builder, &event));
    bool empty = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    if (empty)
        return STATUS_OK;
    TRY(next_event(builder, &event));
    enum status status = build(builder, &event, depth, ret);
    yaml_event_delete(&event);
    return status == STATUS_OK ? expect_end(builder) : status;
}

// Parses `text` into `ret`; `mark` NULL: with positions in `source`.
static enum status parse(struct arena *arena, const char *text, size_t n, const char *source,
                         const struct mark *mark, int depth, struct node *ret, struct error *error)
{
    struct builder builder = {.arena = arena, .source = source, .mark = mark, .error = error};
    struct node root = {.mark = mark ? *mark : (struct mark){source, 1, 1}};
    if (n > YAML_BYTES_MAX)
        return error_at(error, mark ? *mark : (struct mark){source, 0, 0}, STATUS_INVALID_ARGUMENT,
                        "%zu bytes of YAML are more than the %d allowed; shorten it", n, YAML_BYTES_MAX);
    if (!yaml_parser_initialize(&builder.parser))
        return error_no_memory(error, sizeof builder.parser);
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, n);
    enum status status = build_document(&builder, depth, &root);
    yaml_parser_delete(&builder.parser);
    if (status == STATUS_OK)
        *ret = root;
    return status;
}

enum status yaml_value(struct arena *arena, const char *text, struct mark mark, struct node *ret,
                       struct error *error)
{
    return parse(arena, text, strlen(text), mark.source, &mark, 1, ret, error);
}

static enum status parse_root(struct document *document, const char *text, size_t n, const char *source,
                              struct error *error)
{
    const char *name = arena_copy_text(&document->arena, source);
    document->root = arena_alloc(&document->arena, sizeof *document->root);
    if (!name || !document->root)
        return error_no_memory(error, sizeof *document->root);
    TRY(parse(&document->arena, text, n, name, NULL, 1, document->root, error));
    if (document->root->type == NODE_NULL)
        document->root->type = NODE_MAP;
    if (document->root->type != NODE_MAP)
        return error_at(error, document->root->mark, STATUS_INVALID_ARGUMENT,
                        "a map of keys is expected here, as in 'name: value'");
    return STATUS_OK;
}

enum status document_parse(struct document *document, const char *text, size_t n, const char *source,
                           struct error *error)
{
    struct document parsed = {.arena.limit_bytes = ARENA_BYTES_MAX};
    enum status status = parse_root(&parsed, text, n, source, error);
    if (status == STATUS_OK)
        *document = parsed;
    else
        document_release(&parsed);
    return status;
}

enum status document_load(struct document *document, const char *path, struct error *error)
{
    struct bytes text = BYTES_INIT;
    TRY(bytes_read_file(&text, path, YAML_BYTES_MAX, error));
    enum status status = document_parse(document, text.data, text.n, path, error);
    bytes_release(&text);
    return status;
}

void document_release(struct document *document)
{
    arena_release(&document->arena);
    document->root = NULL;
}

const struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->type != NODE_MAP)
        return NULL;
    for (const struct node *entry = map->children; entry; entry = entry->next)
        if (entry->key && strcmp(entry->key, key) == 0)
            return entry;
    return NULL;
}
