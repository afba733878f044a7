// A whole experiment as CreateExperiment receives it: parsed, checked, resolved, and its model and plan made
// as the coordinator does before it answers; or, with a NUL byte behind it, as Enrol brings it from another
// release: then the paths of options that may be passed over follow, and after another NUL that release's
// version. What is accepted, reads back from its own dump as the same, and goes without any section that it
// lists as standing at its defaults. What is not, is refused in one line of text.
#include "base/memory.h"
#include "experiment/experiment.h"
#include "fuzz.h"
#include <stdio.h>
#include <string.h>

static void make_models(const struct experiment *experiment)
{
    static const struct shape inputs[] = {{1, {784}}, {3, {1, 28, 28}}};
    for (size_t i = 0; i < 2; i++) {
        struct error error = ERROR_INIT;
        struct model *model = NULL;
        if (experiment_model(experiment, &inputs[i], 10, TARGET_CLASS, &model, &error) == STATUS_OK)
            model_free(model);
        else
            fuzz_require(error.message[0]);
    }
}

static void read_back(const struct experiment *experiment)
{
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    struct experiment again = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    experiment_dump(experiment, &first);
    fuzz_require(!first.failed && first.n > 0);
    fuzz_require(experiment_parse(&again, first.data, first.n, "dump", NULL, 0, &error) == STATUS_OK);
    experiment_dump(&again, &second);
    fuzz_require(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
    bytes_release(&first);
    bytes_release(&second);
    experiment_release(&again);
}

// ---- other releases -------------------------------------------------------------------------------------

static enum status receive(struct experiment *ret, const char *data, size_t n, struct error *error)
{
    size_t text = strnlen(data, n);
    if (text == n)
        return experiment_parse(ret, data, n, "fuzz.yaml", NULL, 0, error);
    size_t n_words = n - text - 1;
    cleanup_free char *words = memory_zalloc(n_words + 2); // paths, and what may be a version
    memcpy(words, data + text + 1, n_words);
    size_t n_paths = strlen(words);
    const struct experiment_origin origin = {.version = n_paths < n_words ? words + n_paths + 1 : "9.9.9",
                                             .defaults = words};
    return experiment_receive(ret, data, &origin, error);
}

// Whether what a newer release would have written so is taken as `dump`.
static bool is_taken(const char *text, const char *defaults, const struct bytes *dump)
{
    static const char blamed[] = "Cohort 9.9.9 resolved the experiment";
    const struct experiment_origin newer = {.version = "9.9.9", .defaults = defaults};
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    struct bytes again = BYTES_INIT;
    bool taken = experiment_receive(&experiment, text, &newer, &error) == STATUS_OK;
    if (taken) {
        experiment_dump(&experiment, &again);
        fuzz_require(again.n == dump->n && memcmp(again.data, dump->data, dump->n) == 0);
    } else {
        fuzz_require(error.status == STATUS_INVALID_ARGUMENT && strstr(error.message, blamed));
    }
    bytes_release(&again);
    experiment_release(&experiment);
    return taken;
}

// The section's name is one that this release does not know: it may be passed over, just where it is listed.
static void rename_section(char *name, char *listed, const char *text, const char *paths,
                           const struct bytes *dump)
{
    char first = *name;
    *name = '_';
    fuzz_require(!is_taken(text, paths, dump));
    *listed = '_';
    fuzz_require(is_taken(text, paths, dump));
    *name = *listed = first;
}

static void pass_over(const struct experiment *experiment)
{
    struct bytes dump = BYTES_INIT, text = BYTES_INIT, paths = BYTES_INIT;
    experiment_dump(experiment, &dump);
    bytes_text(&text, "\n");
    bytes_append(&text, dump.data, dump.n);
    experiment_defaults(experiment, &paths);
    fuzz_require(!dump.failed && !text.failed && !paths.failed);
    for (char *line = paths.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        char key[64];
        if (memchr(line, '.', (size_t)(end - line)))
            continue;
        snprintf(key, sizeof key, "\n%.*s:", (int)(end - line), line);
        char *name = strstr(text.data, key);
        fuzz_require(name != NULL);
        rename_section(name + 1, line, text.data, paths.data, &dump);
    }
    bytes_release(&dump);
    bytes_release(&text);
    bytes_release(&paths);
}

static bool is_line(const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    return *text != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    if (receive(&experiment, (const char *)data, n, &error) == STATUS_OK) {
        read_back(&experiment);
        pass_over(&experiment);
        make_models(&experiment);
    } else {
        fuzz_require(error.status != STATUS_OK && is_line(error.message));
    }
    experiment_release(&experiment);
    return 0;
}
