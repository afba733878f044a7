#include "cli/experiment_file.h"
#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>

enum status experiment_file_load(struct experiment *ret, const char *path, const struct texts *sets,
                                 int64_t seed, struct error *error)
{
    char seed_text[32];
    size_t n = 0;
    struct experiment_override *rows = memory_array(sets->n + 1, sizeof *rows);
    if (!rows)
        return error_no_memory(error, (sets->n + 1) * sizeof *rows);
    enum status status = STATUS_OK;
    for (; n < sets->n && status == STATUS_OK; n++) {
        char *source = memory_format("--set %s", sets->items[n]);
        rows[n] = (struct experiment_override){.text = sets->items[n], .source = source};
        if (!source)
            status = error_no_memory(error, 0);
    }
    snprintf(seed_text, sizeof seed_text, "seed=%" PRId64, seed);
    rows[n] = (struct experiment_override){.text = seed_text, .source = "--seed"};
    if (status == STATUS_OK)
        status = experiment_load(ret, path, rows, n + (seed >= 0), error);
    for (size_t i = 0; i < n; i++)
        memory_free((char *)rows[i].source);
    memory_free(rows);
    return status;
}
