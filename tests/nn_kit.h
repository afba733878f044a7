// Models and trainers from YAML text, for tests. What is read lives as long as the kit.
#pragma once

#include "base/memory.h"
#include "config/fields.h"
#include "nn/layer.h"
#include "nn/training.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kit {
    struct document document;
    struct model_options model_options;
    struct training_options training_options;
    struct model *model;
    struct error error;
};

// Reads `text` by `fields` into `target`.
static inline enum status kit_read(struct kit *kit, const struct field *fields, const char *text,
                                   void *target)
{
    TRY(document_parse(&kit->document, text, strlen(text), "test.yaml", &kit->error));
    return fields_read(fields, kit->document.root, target, &kit->document.arena, &kit->error);
}

// A model from the text of its section, `layers: [...]` and perhaps `loss: ...` (else mse).
static inline enum status kit_try_model(struct kit *kit, const char *text, struct shape input,
                                        size_t n_outputs, enum target_type targets)
{
    cleanup_free char *whole = memory_format("%s\n%s", text, strstr(text, "loss:") ? "" : "loss: mse");
    *kit = (struct kit){0};
    TRY(kit_read(kit, model_fields, whole, &kit->model_options));
    return model_new(&kit->model, &kit->model_options, &input, n_outputs, targets, &kit->error);
}

static inline void kit_model(struct kit *kit, const char *text, struct shape input, size_t n_outputs,
                             enum target_type targets)
{
    cr_assert_eq(kit_try_model(kit, text, input, n_outputs, targets), STATUS_OK, "%s", kit->error.message);
}

static inline void kit_release(struct kit *kit)
{
    model_free(kit->model);
    document_release(&kit->document);
}

// Training options that live in `document`, which the caller releases.
static inline struct training_options kit_training(struct document *document, const char *text)
{
    struct training_options options = {0};
    struct error error = ERROR_INIT;
    cr_assert_eq(document_parse(document, text, strlen(text), "training.yaml", &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(fields_read(training_fields, document->root, &options, &document->arena, &error), STATUS_OK,
                 "%s", error.message);
    return options;
}

// One kind of `registry` with options written as YAML, "{units: 3}" or "" for the defaults.
static inline struct choice kit_choice(struct kit *kit, const struct registry *registry, const char *name,
                                       const char *options)
{
    const struct field row[] = {
        {.name = "choice", .type = FIELD_CHOICE, .required = true, .registry = registry, .help = "the kind"},
        {0},
    };
    struct choice choice = {0};
    cleanup_free char *text =
        options[0] ? memory_format("choice: {%s: %s}\n", name, options) : memory_format("choice: %s\n", name);
    *kit = (struct kit){0};
    cr_assert_eq(kit_read(kit, row, text, &choice), STATUS_OK, "%s", kit->error.message);
    return choice;
}

// `n` numbers, uniform between -1 and 1, that depend on `seed` alone; freed by the caller.
static inline float *kit_floats(uint64_t seed, size_t n)
{
    float *floats = memory_floats(n);
    struct random random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_TEST});
    cr_assert_not_null(floats);
    for (size_t i = 0; i < n; i++)
        floats[i] = 2 * random_float(&random) - 1;
    return floats;
}
