#include "base/memory.h"
#include "config/yaml.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct error failure(const char *text, size_t n)
{
    struct error error = ERROR_INIT;
    struct document document = DOCUMENT_INIT;
    cr_assert_neq(document_parse(&document, text, n, "x.yaml", &error), STATUS_OK, "was taken: %.60s", text);
    cr_assert_null(document.root, "a failed parse left something behind");
    cr_assert_null(strchr(error.message, '\n'), "an error is one line: %s", error.message);
    return error;
}

static void refused(const char *text, const char *expected)
{
    struct error error = failure(text, strlen(text));
    cr_assert_not_null(strstr(error.message, expected), "'%s' does not hold '%s'", error.message, expected);
}

static struct document parsed(const char *text)
{
    struct error error = ERROR_INIT;
    struct document document = DOCUMENT_INIT;
    cr_assert_eq(document_parse(&document, text, strlen(text), "x.yaml", &error), STATUS_OK, "%s",
                 error.message);
    return document;
}

Test(yaml, nodes_know_their_type_and_position)
{
    struct document document = parsed("a: 1\nb:\n  - x\n  - {c: \"2\"}\nd:\n");
    const struct node *b = node_get(document.root, "b");
    cr_assert_eq(document.root->type, NODE_MAP);
    cr_assert_eq(document.root->n_children, 3);
    cr_assert_str_eq(node_get(document.root, "a")->text, "1");
    cr_assert_eq(b->type, NODE_LIST);
    cr_assert_eq(b->n_children, 2);
    cr_assert_eq(b->key_mark.line, 2);
    cr_assert_eq(b->key_mark.column, 1);
    cr_assert_eq(b->children->mark.line, 3);
    cr_assert_eq(b->children->mark.column, 5);
    const struct node *c = node_get(b->children->next, "c");
    cr_assert(c->quoted);
    cr_assert_eq(c->mark.line, 4);
    cr_assert_eq(c->mark.column, 9);
    cr_assert_str_eq(c->mark.source, "x.yaml");
    cr_assert_eq(node_get(document.root, "d")->type, NODE_NULL);
    cr_assert_null(node_get(document.root, "e"));
    document_release(&document);
}

Test(yaml, nothing_is_an_empty_map)
{
    const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "~\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct document document = parsed(texts[i]);
        cr_assert_eq(document.root->type, NODE_MAP);
        cr_assert_eq(document.root->n_children, 0);
        document_release(&document);
    }
}

Test(yaml, a_null_in_quotes_is_text)
{
    struct document document = parsed("a: null\nb: 'null'\nc: ~\nd: ''\n");
    cr_assert_eq(node_get(document.root, "a")->type, NODE_NULL);
    cr_assert_eq(node_get(document.root, "b")->type, NODE_SCALAR);
    cr_assert_eq(node_get(document.root, "c")->type, NODE_NULL);
    cr_assert_eq(node_get(document.root, "d")->type, NODE_SCALAR);
    document_release(&document);
}

Test(yaml, what_is_not_supported_is_refused_where_it_stands)
{
    refused("a: &x 1\nb: *x\n", "x.yaml:1:4: anchors and aliases");
    refused("a: *x\n", "x.yaml:1:4: anchors and aliases");
    refused("a: &x [1]\n", "x.yaml:1:4: anchors");
    refused("a: &x {b: 1}\n", "x.yaml:1:4: anchors");
    refused("&k a: 1\n", "x.yaml:1:1: anchors");
    refused("a: !!int 1\n", "x.yaml:1:4: tags");
    refused("a: !local {b: 1}\n", "x.yaml:1:4: tags");
    refused("a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document");
    refused("a: 1\n...\n---\nb: 2\n", "a second document");
    refused("? [1, 2]\n: 3\n", "a key must be a word");
    refused("- 1\n- 2\n", "x.yaml:1:1: a map of keys is expected");
    refused("just words\n", "a map of keys is expected");
}

Test(yaml, a_key_that_stands_twice_is_refused)
{
    refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "x.yaml:5:3: key 'c' stands here again, first in line 3");
    refused("{a: 1, \"a\": 2}", "x.yaml:1:8: key 'a'");
}

Test(yaml, broken_syntax_is_refused_with_its_position)
{
    refused("a: [1, 2\nb: 3\n", "x.yaml:2:");
    refused("a: 1\n\tb: 2\n", "x.yaml:2:1: not YAML");
    refused("a: 'unclosed\n", "x.yaml:2:1: not YAML");
    refused("a: {b: 1\n", "not YAML");
    refused("a: b: c\n", "x.yaml:1:5: not YAML");
    refused("%YAML 9.9\n---\na: 1\n", "not YAML");
}

Test(yaml, bytes_that_are_no_text_are_refused)
{
    refused("a: \xFF\xFE\n", "x.yaml:1:4: not YAML");
    refused("ok: 1\na: caf\xC3\n", "x.yaml:2:8: not YAML");
    refused("a: \x01\n", "x.yaml:1:4: not YAML");
    refused("a: \"\\0\"\n", "NUL byte");
    refused("\"\\0\": 1\n", "NUL byte");
    cr_assert_eq(failure("a: b\0c", 6).status, STATUS_INVALID_ARGUMENT);
    cr_assert_eq(failure("\xFF\xFE\x61\x00\x3A\x00", 6).status, STATUS_INVALID_ARGUMENT);
}

Test(yaml, nesting_is_bounded)
{
    char text[2 * 5000 + 8] = "a: ";
    memset(text + 3, '[', 5000);
    refused(text, "nested more than 32 deep");
    memset(text + 3, '[', YAML_DEPTH_MAX - 2);
    memset(text + 3 + YAML_DEPTH_MAX - 2, ']', YAML_DEPTH_MAX - 2);
    text[3 + 2 * (YAML_DEPTH_MAX - 2)] = '\0';
    struct document document = parsed(text);
    document_release(&document);
}

static char *repeated(const char *start, const char *unit, size_t n)
{
    struct bytes text = BYTES_INIT;
    bytes_text(&text, start);
    for (size_t i = 0; i < n; i++)
        bytes_text(&text, unit);
    cr_assert(!text.failed);
    return text.data;
}

Test(yaml, values_keys_and_bytes_are_bounded)
{
    cleanup_free char *values = repeated("a:\n", "- 1\n", YAML_NODES_MAX);
    refused(values, "more than 100000 values");
    cleanup_free char *bytes = repeated("a: ", "0123456789abcdef", YAML_BYTES_MAX / 16);
    refused(bytes, "x.yaml: 1048579 bytes of YAML are more than");
    struct bytes keys = BYTES_INIT;
    for (int i = 0; i <= YAML_KEYS_MAX; i++)
        bytes_format(&keys, "k%d: 1\n", i);
    refused(keys.data, "x.yaml:1001:1: more than 1000 keys");
    bytes_release(&keys);
}

Test(yaml, every_failing_allocation_is_an_error_and_nothing_else)
{
    const char *text = "a: [1, 2, {b: c}]\nd: {e: f}\n";
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        struct error error = ERROR_INIT;
        struct document document = DOCUMENT_INIT;
        memory_fail_after(n);
        enum status status = document_parse(&document, text, strlen(text), "x.yaml", &error);
        failed = status != STATUS_OK;
        memory_fail_after(0);
        if (failed)
            cr_assert_eq(status, STATUS_RESOURCE_EXHAUSTED, "%s", error.message);
        document_release(&document);
        cr_assert_lt(n, 1000);
    }
}

Test(yaml, a_file_that_is_not_there_is_named)
{
    struct error error = ERROR_INIT;
    struct document document = DOCUMENT_INIT;
    cr_assert_eq(document_load(&document, "/nowhere/x.yaml", &error), STATUS_NOT_FOUND);
    cr_assert_not_null(strstr(error.message, "/nowhere/x.yaml"));
}

Test(yaml, long_text_is_shown_cut_at_a_character)
{
    char shown[12];
    cr_assert_str_eq(yaml_shown("short", shown, sizeof shown), "short");
    cr_assert_str_eq(yaml_shown("two\nlines", shown, sizeof shown), "two?lines");
    cr_assert_str_eq(yaml_shown("a\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", shown, sizeof shown),
                     "a\xC3\xA4\xC3\xA4\xC3\xA4...");
    cr_assert_str_eq(yaml_shown("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", shown, sizeof shown),
                     "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4...");
}
