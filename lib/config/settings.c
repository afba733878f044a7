#include "config/settings.h"
#include "base/memory.h"
#include <string.h>

static enum status apply(struct document *document, const char *override, struct error *error)
{
    const char *equals = strchr(override, '=');
    if (!equals || equals == override)
        return error_set(error, STATUS_INVALID_ARGUMENT, "--set '%s' must be written key.path=value",
                         override);
    cleanup_free char *path = memory_format("%.*s", (int)(equals - override), override);
    cleanup_free char *source = memory_format("--set %s", override);
    if (!path || !source)
        return error_no_memory(error, strlen(override));
    return document_set(document, path, equals + 1, source, error);
}

enum status settings_read(struct settings *settings, const struct field *fields, const char *path,
                          const char *prefix, const struct texts *overrides, void *target,
                          struct error *error)
{
    if (path)
        TRY(document_load(&settings->document, path, error));
    else
        TRY(document_parse(&settings->document, "", 0, "defaults", error));
    TRY(fields_apply_environment(fields, prefix, &settings->document, error));
    for (size_t i = 0; i < overrides->n; i++)
        TRY(apply(&settings->document, overrides->items[i], error));
    return fields_read(fields, settings->document.root, target, &settings->arena, error);
}

void settings_release(struct settings *settings)
{
    document_release(&settings->document);
    arena_release(&settings->arena);
}
