#include "options.h"
#include "base/memory.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct field sgd_fields[] = {
    {.name = "learning_rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd, rate),
     .required = true,
     .above = true,
     .help = "The size of a step"},
    {.name = "momentum",
     .type = FIELD_REAL,
     .offset = offsetof(struct sgd, momentum),
     .fallback = "0",
     .max = 1},
    {.name = "nesterov", .type = FIELD_BOOL, .offset = offsetof(struct sgd, nesterov), .fallback = "false"},
    {0},
};

static enum status sgd_check(const void *options, struct error *error)
{
    const struct sgd *sgd = options;
    if (sgd->nesterov && sgd->momentum == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "nesterov needs momentum; set momentum above 0");
    return STATUS_OK;
}

const struct kind option_sgd = {"sgd", "Plain descent", sgd_fields, sizeof(struct sgd), sgd_check};
const struct kind option_none = {"none", "Nothing", NULL, 0, NULL};
const struct kind option_adam = {"adam", "Adam", NULL, 0, NULL};
static const struct kind *const kinds[] = {&option_adam, &option_none, &option_sgd};
static const struct registry optimizers = {"optimizer", kinds, ARRAY_SIZE(kinds)};

const struct field inner_fields[] = {
    {.name = "minimum",
     .type = FIELD_INT,
     .offset = offsetof(struct inner, minimum),
     .required = true,
     .min = 1},
    {.name = "fraction",
     .type = FIELD_REAL,
     .offset = offsetof(struct inner, fraction),
     .fallback = "1",
     .above = true,
     .max = 1},
    {0},
};

static const char *const words[] = {"red", "green", "blue", NULL};

#define AT(member) .offset = offsetof(struct whole, member)
const struct field whole_fields[] = {
    {.name = "flag", .type = FIELD_BOOL, AT(flag), .fallback = "true"},
    {.name = "count",
     .type = FIELD_INT,
     AT(count),
     .fallback = "7",
     .min = 1,
     .max = 100,
     .help = "How many"},
    {.name = "plain", .type = FIELD_INT, AT(plain)},
    {.name = "deadline", .type = FIELD_DURATION, AT(deadline), .fallback = "90s"},
    {.name = "limit",
     .type = FIELD_BYTES,
     AT(limit),
     .min = 512,
     .optional = true,
     .given_offset = offsetof(struct whole, has_limit)},
    {.name = "real", .type = FIELD_REAL, AT(real), .fallback = "0.1"},
    {.name = "text", .type = FIELD_TEXT, AT(text), .fallback = "\"a: b\""},
    {.name = "nothing", .type = FIELD_TEXT, AT(nothing)},
    {.name = "word", .type = FIELD_WORD, AT(word), .words = words, .fallback = "green"},
    {.name = "ints", .type = FIELD_INTS, AT(ints), .fallback = "[3, 3]", .min = 1},
    {.name = "texts", .type = FIELD_TEXTS, AT(texts)},
    {.name = "inner",
     .type = FIELD_SECTION,
     AT(inner),
     .fields = inner_fields,
     .optional = true,
     .given_offset = offsetof(struct whole, has_inner)},
    {.name = "choice",
     .type = FIELD_CHOICE,
     AT(choice),
     .registry = &optimizers,
     .fallback = "{kind: sgd, learning_rate: 0.5}"},
    {.name = "absent", .type = FIELD_CHOICE, AT(absent), .registry = &optimizers},
    {.name = "nested", .type = FIELD_CHOICE, AT(nested), .registry = &optimizers, .fallback = "none"},
    {.name = "choices", .type = FIELD_CHOICES, AT(choices), .registry = &optimizers},
    {0},
};

static const struct field item_fields[] = {
    {.name = "count", .type = FIELD_INT, .offset = offsetof(struct item, count), .required = true},
    {.name = "choice",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct item, choice),
     .registry = &optimizers,
     .fallback = "none"},
    {0},
};

const struct field list_fields[] = {
    {.name = "items", .type = FIELD_SECTIONS, .fields = item_fields, .item_bytes = sizeof(struct item)},
    {0},
};

enum status read_text(struct fixture *fixture, const char *text)
{
    *fixture = (struct fixture){0};
    TRY(document_parse(&fixture->document, text, strlen(text), "x.yaml", &fixture->error));
    return fields_read(whole_fields, fixture->document.root, &fixture->whole, &fixture->arena,
                       &fixture->error);
}

void release(struct fixture *fixture)
{
    document_release(&fixture->document);
    arena_release(&fixture->arena);
}

struct fixture taken(const char *text)
{
    struct fixture fixture;
    cr_assert_eq(read_text(&fixture, text), STATUS_OK, "%s", fixture.error.message);
    return fixture;
}

void refused(const char *text, const char *expected)
{
    struct fixture fixture;
    cr_assert_eq(read_text(&fixture, text), STATUS_INVALID_ARGUMENT, "'%s' was taken", text);
    cr_assert_str_eq(fixture.error.message, expected);
    release(&fixture);
}

enum status read_list(struct fixture *fixture, const char *text, struct section_list *ret)
{
    *fixture = (struct fixture){0};
    TRY(document_parse(&fixture->document, text, strlen(text), "x.yaml", &fixture->error));
    return fields_read(list_fields, fixture->document.root, ret, &fixture->arena, &fixture->error);
}

char *dump_twice(const struct fixture *fixture)
{
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    fields_dump(whole_fields, &fixture->whole, 0, &first);
    cr_assert(!first.failed);
    struct fixture again = taken(first.data);
    fields_dump(whole_fields, &again.whole, 0, &second);
    cr_assert_str_eq(first.data, second.data);
    bytes_release(&second);
    release(&again);
    return first.data;
}
