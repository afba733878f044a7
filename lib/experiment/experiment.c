#include "experiment/experiment.h"
#include "experiment/check.h"
#include <string.h>

enum { ARENA_BYTES_MAX = 64 << 20, KEY_BYTES = 256 };

struct mark experiment_mark(const struct experiment *experiment, const char *path)
{
    const struct node *node = experiment->document.root;
    for (const char *rest = path; rest;) {
        char key[64] = "";
        size_t n = strcspn(rest, ".");
        memcpy(key, rest, n < sizeof key ? n : sizeof key - 1);
        const struct node *next = node_get(node, key);
        if (!next)
            break;
        node = next;
        rest = rest[n] ? rest + n + 1 : NULL;
    }
    return node->mark;
}

struct round_rules experiment_rules(const struct experiment_options *options)
{
    const struct choice *schedule = &options->collaboration.schedule;
    struct round_rules rules;
    ((const struct round_schedule_kind *)(const void *)schedule->kind)->rules(schedule->options, &rules);
    return rules;
}

static enum status override(struct experiment *experiment, const struct experiment_override *row,
                            struct error *error)
{
    char key[KEY_BYTES] = "";
    size_t n = strcspn(row->text, "=");
    struct mark mark = {.source = row->source};
    if (!row->text[n] || n == 0 || n >= sizeof key)
        return error_at(error, mark, STATUS_INVALID_ARGUMENT,
                        "an override is written key.path=value, as in training.batch_size=64");
    memcpy(key, row->text, n);
    return document_set(&experiment->document, key, row->text + n + 1, row->source, error);
}

static enum status resolve(struct experiment *experiment, const struct experiment_override *overrides,
                           size_t n_overrides, struct error *error)
{
    for (size_t i = 0; i < n_overrides; i++)
        TRY(override(experiment, &overrides[i], error));
    TRY(fields_read(experiment_fields, experiment->document.root, &experiment->options, &experiment->arena,
                    error));
    return experiment_check(experiment, error);
}

// Takes the document.
static enum status finish(struct experiment *ret, const struct document *document,
                          const struct experiment_override *overrides, size_t n_overrides,
                          struct error *error)
{
    struct experiment experiment = {.document = *document, .arena.limit_bytes = ARENA_BYTES_MAX};
    enum status status = resolve(&experiment, overrides, n_overrides, error);
    if (status == STATUS_OK)
        *ret = experiment;
    else
        experiment_release(&experiment);
    return status;
}

enum status experiment_load(struct experiment *ret, const char *path,
                            const struct experiment_override *overrides, size_t n_overrides,
                            struct error *error)
{
    struct document document = DOCUMENT_INIT;
    TRY(document_load(&document, path, error));
    return finish(ret, &document, overrides, n_overrides, error);
}

enum status experiment_parse(struct experiment *ret, const char *text, size_t n, const char *source,
                             const struct experiment_override *overrides, size_t n_overrides,
                             struct error *error)
{
    struct document document = DOCUMENT_INIT;
    TRY(document_parse(&document, text, n, source, error));
    return finish(ret, &document, overrides, n_overrides, error);
}

// A text that its program has checked: what is wrong with it here is mostly a matter of releases.
static enum status blame_release(const struct experiment_origin *origin, struct error *error)
{
    char shown[40];
    struct error inner = *error;
    if (inner.status != STATUS_INVALID_ARGUMENT || !origin->version || !*origin->version ||
        strcmp(origin->version, COHORT_VERSION) == 0)
        return inner.status;
    return error_set(
        error, inner.status,
        "%.700s; Cohort %s resolved the experiment and this is Cohort %s: update the older one, or "
        "leave out what it does not know",
        inner.message, yaml_shown(origin->version, shown, sizeof shown), COHORT_VERSION);
}

enum status experiment_receive(struct experiment *ret, const char *text,
                               const struct experiment_origin *origin, struct error *error)
{
    struct document document = DOCUMENT_INIT;
    enum status status = document_parse(&document, text, strlen(text), "experiment", error);
    if (status == STATUS_OK) {
        document_let_pass(&document, origin->defaults ? origin->defaults : "");
        status = finish(ret, &document, NULL, 0, error);
    }
    return status == STATUS_OK ? STATUS_OK : blame_release(origin, error);
}

void experiment_release(struct experiment *experiment)
{
    document_release(&experiment->document);
    arena_release(&experiment->arena);
    experiment->options = (struct experiment_options){0};
}

void experiment_dump(const struct experiment *experiment, struct bytes *ret)
{
    fields_dump(experiment_fields, &experiment->options, 0, ret);
}

void experiment_defaults(const struct experiment *experiment, struct bytes *ret)
{
    fields_defaults(experiment_fields, &experiment->options, ret);
}

// Not every algorithm can train every model.
static enum status check_model(const struct experiment *experiment, const struct model *model,
                               struct error *error)
{
    const struct choice *choice = &experiment->options.collaboration.algorithm;
    const struct algorithm_kind *kind = (const struct algorithm_kind *)choice->kind;
    if (!kind || !kind->check_model)
        return STATUS_OK;
    enum status status = kind->check_model(choice->options, model, error);
    return status == STATUS_OK ? STATUS_OK : error_point(error, choice->mark, status);
}

enum status experiment_model(const struct experiment *experiment, const struct shape *input, size_t n_outputs,
                             enum target_type targets, struct model **ret, struct error *error)
{
    return experiment_variant(experiment, 0, input, n_outputs, targets, ret, error);
}

size_t experiment_n_variants(const struct experiment *experiment)
{
    return model_n_variants(&experiment->options.model);
}

enum status experiment_variant(const struct experiment *experiment, size_t variant, const struct shape *input,
                               size_t n_outputs, enum target_type targets, struct model **ret,
                               struct error *error)
{
    const struct model_options options = model_variant_options(&experiment->options.model, variant);
    struct model *model = NULL;
    TRY(model_new(&model, &options, input, n_outputs, targets, error));
    enum status status = check_model(experiment, model, error);
    if (status == STATUS_OK)
        *ret = model;
    else
        model_free(model);
    return status;
}
