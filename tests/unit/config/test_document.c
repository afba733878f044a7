#include "base/memory.h"
#include "config/yaml.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char text[] =
    "training:\n  optimizer: sgd\n  batch: 3\nlayers:\n  - dense: {units: 4}\n  - flatten\nempty:\n";

static struct document sample(void)
{
    struct document document = DOCUMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(document_parse(&document, text, strlen(text), "x.yaml", &error), STATUS_OK, "%s",
                 error.message);
    return document;
}

static const struct node *at(const struct document *document, const char *a, const char *b)
{
    return node_get(node_get(document->root, a), b);
}

static void set(struct document *document, const char *path, const char *value)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(document_set(document, path, value, "--set x", &error), STATUS_OK, "%s", error.message);
}

static void refused(const char *path, const char *value, const char *expected)
{
    struct error error = ERROR_INIT;
    struct document document = sample();
    cr_assert_eq(document_set(&document, path, value, "--set x", &error), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(error.message, expected), "%s", error.message);
    cr_assert_eq(strncmp(error.message, "--set x: ", 9), 0, "%s", error.message);
    document_release(&document);
}

Test(document, a_set_value_replaces_the_old_one)
{
    struct document document = sample();
    set(&document, "training.batch", "64");
    cr_assert_str_eq(at(&document, "training", "batch")->text, "64");
    cr_assert_str_eq(at(&document, "training", "batch")->mark.source, "--set x");
    cr_assert_eq(at(&document, "training", "batch")->mark.line, 0);
    cr_assert_eq(node_get(document.root, "training")->n_children, 2);
    set(&document, "training.optimizer", "{kind: adam, rate: 0.1}");
    cr_assert_str_eq(node_get(at(&document, "training", "optimizer"), "kind")->text, "adam");
    set(&document, "training.optimizer.rate", "");
    cr_assert_eq(node_get(at(&document, "training", "optimizer"), "rate")->type, NODE_NULL);
    document_release(&document);
}

Test(document, maps_are_made_on_the_way)
{
    struct document document = sample();
    set(&document, "a.b.c", "1");
    set(&document, "empty.k", "[2]");
    cr_assert_str_eq(node_get(at(&document, "a", "b"), "c")->text, "1");
    cr_assert_eq(at(&document, "empty", "k")->type, NODE_LIST);
    document_release(&document);
}

Test(document, list_items_go_by_number)
{
    struct document document = sample();
    set(&document, "layers.0.dense.units", "9");
    set(&document, "layers.1", "relu");
    const struct node *first = node_get(document.root, "layers")->children;
    cr_assert_str_eq(node_get(node_get(first, "dense"), "units")->text, "9");
    cr_assert_str_eq(first->next->text, "relu");
    cr_assert_null(first->next->next);
    document_release(&document);
}

Test(document, text_is_set_as_it_stands)
{
    struct document document = sample();
    struct error error = ERROR_INIT;
    cr_assert_eq(document_set_text(&document, "training.batch", "{a: *b", "COHORT_X", &error), STATUS_OK);
    cr_assert_str_eq(at(&document, "training", "batch")->text, "{a: *b");
    cr_assert(at(&document, "training", "batch")->quoted);
    document_release(&document);
}

Test(document, a_path_that_leads_nowhere_is_refused)
{
    refused("training.optimizer.rate", "1", "'sgd' stands on the way");
    refused("layers.2", "1", "name one of its 2 items by number from 0");
    refused("layers.dense", "1", "by number");
    refused("layers.-1", "1", "by number");
    refused("layers.99999999999999999999", "1", "by number");
    refused("", "1", "a key is empty");
    refused("a..b", "1", "a key is empty");
    refused("a.", "1", "a key is empty");
    refused("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "1", "too long");
    refused("training.batch", "[1", "not YAML");
    refused("training.batch", "*x", "anchors");
}

Test(document, every_failing_allocation_is_an_error)
{
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        struct error error = ERROR_INIT;
        struct document document = sample();
        document.arena.limit_bytes = document.arena.used_bytes + n * 16;
        failed = document_set(&document, "a.b", "[1, 2]", "--set x", &error) != STATUS_OK;
        if (failed)
            cr_assert_eq(error.status, STATUS_RESOURCE_EXHAUSTED, "%s", error.message);
        document_release(&document);
        cr_assert_lt(n, 1000);
    }
}

static bool passable(const char *paths, const char *a, const char *b)
{
    struct document document = sample();
    document_let_pass(&document, paths);
    const struct node *node = b ? at(&document, a, b) : node_get(document.root, a);
    bool passable = node->passable;
    document_release(&document);
    return passable;
}

Test(document, paths_let_the_entries_pass_that_they_name)
{
    cr_expect(passable("training.batch\n", "training", "batch"));
    cr_expect(passable("x\ny.z\ntraining.batch\nempty\n", "training", "batch"));
    cr_expect(passable("empty\n", "empty", NULL));
    cr_expect_not(passable("training.batch\n", "training", "optimizer"));
    cr_expect_not(passable("training.batch\n", "training", NULL));
    cr_expect_not(passable("training\n", "training", "batch"));
    struct document document = sample();
    document_let_pass(&document, "layers.0.dense.units\n");
    cr_expect(node_get(node_get(node_get(document.root, "layers")->children, "dense"), "units")->passable);
    document_release(&document);
}

Test(document, paths_that_lead_nowhere_change_nothing)
{
    static const char *const paths[] = {
        "",
        "\n\n",
        "training.batch", // a line that has no end
        "training.batch.deeper\n",
        "training..batch\n",
        ".training.batch\n",
        "training.batch \n",
        "layers.2\nlayers.-1\nlayers.0x0\nlayers.9999999999999999999999\nlayers.dense\n",
        "........................................\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        cr_expect_not(passable(paths[i], "training", "batch"), "%s", paths[i]);
}

Test(document, paths_beyond_the_bound_are_left_out)
{
    cleanup_free char *paths = memory_alloc(DOCUMENT_PASSABLE_BYTES + 64);
    memset(paths, 'x', DOCUMENT_PASSABLE_BYTES);
    for (size_t i = 9; i < DOCUMENT_PASSABLE_BYTES; i += 10)
        paths[i] = '\n';
    snprintf(paths + DOCUMENT_PASSABLE_BYTES - 5, 64, "\ntraining.batch\n");
    cr_expect_not(passable(paths, "training", "batch"));
    snprintf(paths + DOCUMENT_PASSABLE_BYTES - 16, 64, "\ntraining.batch\n");
    cr_expect(passable(paths, "training", "batch"));
}
