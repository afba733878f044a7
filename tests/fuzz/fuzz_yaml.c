// YAML text: positions, bounds, and values put into the tree from outside (--set).
#include "base/memory.h"
#include "config/yaml.h"
#include "fuzz.h"
#include <string.h>

static size_t walk(const struct node *node, size_t depth)
{
    size_t n = 1, children = 0;
    fuzz_require(depth <= YAML_DEPTH_MAX + 1);
    fuzz_require(node->type != NODE_SCALAR || node->text);
    for (const struct node *child = node->children; child; child = child->next, children++) {
        fuzz_require((child->key != NULL) == (node->type == NODE_MAP));
        n += walk(child, depth + 1);
    }
    fuzz_require(children == node->n_children);
    return n;
}

// The text's first line is a path, the rest a value for it.
static void set(struct document *document, const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    if (!end || n > 4096)
        return;
    cleanup_free char *path = memory_alloc((size_t)(end - text) + 1);
    cleanup_free char *value = memory_alloc(n);
    size_t n_value = n - (size_t)(end - text) - 1;
    memcpy(path, text, (size_t)(end - text));
    path[end - text] = '\0';
    memcpy(value, end + 1, n_value);
    value[n_value] = '\0';
    document_set(document, path, value, "--set", NULL);
    document_set_text(document, path, value, "--set", NULL);
    walk(document->root, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct document document = DOCUMENT_INIT;
    struct error error = ERROR_INIT;
    char shown[64];
    if (document_parse(&document, (const char *)data, n, "fuzz.yaml", &error) == STATUS_OK) {
        fuzz_require(document.root && document.root->type == NODE_MAP);
        fuzz_require(walk(document.root, 0) <= YAML_NODES_MAX + 1);
        set(&document, (const char *)data, n);
    } else {
        fuzz_require(error.status != STATUS_OK && error.message[0]);
        yaml_shown(error.message, shown, sizeof shown);
    }
    document_release(&document);
    return 0;
}
