// YAML text to a tree of nodes that know their position. Bounded in size, depth and number of nodes; aliases,
// anchors, tags and several documents are refused, as are duplicate keys and NUL bytes.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "config/mark.h"
#include <stdbool.h>

enum {
    YAML_BYTES_MAX = 1 << 20,
    YAML_DEPTH_MAX = 32,
    YAML_NODES_MAX = 100000,
    YAML_KEYS_MAX = 1000,
    DOCUMENT_PASSABLE_BYTES = 128 << 10
};

enum node_type { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_type type;
    struct mark mark;
    const char *key; // of an entry in a map, else NULL
    struct mark key_mark;
    const char *text; // of a scalar
    bool quoted;      // a quoted scalar is always text
    size_t n_children;
    struct node *children; // first child of a list or map
    struct node *next;     // sibling
    bool passable;         // a reader that does not know the key may go on without it
};

struct document {
    struct arena arena;
    struct node *root; // a map; never NULL after a successful parse
};

#define DOCUMENT_INIT ((struct document){0})

// Parses `n` bytes; `source` names them in errors and is copied. An empty text is an empty map.
enum status document_parse(struct document *document, const char *text, size_t n, const char *source,
                           struct error *error);
enum status document_load(struct document *document, const char *path, struct error *error);
void document_release(struct document *document);

// The map's entry called `key`, or NULL.
const struct node *node_get(const struct node *map, const char *key);

// Puts the YAML value `text` at `path` ("training.optimizer.learning_rate", list items by number from 0),
// making maps on the way as needed; a scalar on the way is an error. `source` names it in later errors.
enum status document_set(struct document *document, const char *path, const char *text, const char *source,
                         struct error *error);
// The same with `text` taken as it stands, as a quoted scalar is.
enum status document_set_text(struct document *document, const char *path, const char *text,
                              const char *source, struct error *error);

// Lets readers pass over the entries at these paths, a line each, written as for document_set; paths that
// lead nowhere are left alone, as is what is beyond DOCUMENT_PASSABLE_BYTES.
void document_let_pass(struct document *document, const char *paths);

// Parses one value into nodes that live in `arena`, every one marked with `mark`; for defaults.
enum status yaml_value(struct arena *arena, const char *text, struct mark mark, struct node *ret,
                       struct error *error);

// `text` for a message: control characters replaced, cut to `bytes` at a character's boundary. Returns `ret`.
const char *yaml_shown(const char *text, char *ret, size_t bytes);
