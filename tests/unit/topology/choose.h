// A kind chosen as in an experiment's text.
#pragma once

#include "config/fields.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct document choose_document = DOCUMENT_INIT;
static struct arena choose_arena = ARENA_INIT;

static inline struct choice choose(const struct registry *registry, const char *yaml)
{
    struct {
        struct choice chosen;
    } target = {0};
    const struct field fields[] = {
        {.name = "of", .type = FIELD_CHOICE, .offset = 0, .registry = registry, .required = true}, {0}};
    char text[1024];
    struct error error = ERROR_INIT;
    snprintf(text, sizeof text, "of: %.1000s\n", yaml);
    cr_assert_eq(document_parse(&choose_document, text, strlen(text), "test", &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(fields_read(fields, choose_document.root, &target, &choose_arena, &error), STATUS_OK, "%s",
                 error.message);
    return target.chosen;
}

static inline void choose_done(void)
{
    document_release(&choose_document);
    arena_release(&choose_arena);
    choose_document = DOCUMENT_INIT;
    choose_arena = ARENA_INIT;
}
