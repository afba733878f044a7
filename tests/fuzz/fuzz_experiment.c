// A whole experiment as CreateExperiment receives it: parsed, checked, resolved, and its model and plan made
// as the coordinator does before it answers. What is accepted, reads back from its own dump as the same. What
// follows a NUL byte is taken as the paths of options that may be passed over.
#include "base/memory.h"
#include "experiment/experiment.h"
#include "fuzz.h"
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

static enum status receive(struct experiment *ret, const char *data, size_t n, struct error *error)
{
    size_t text = strnlen(data, n);
    if (text == n)
        return experiment_parse(ret, data, n, "fuzz.yaml", NULL, 0, error);
    cleanup_free char *paths = memory_alloc(n - text);
    const struct experiment_origin origin = {.version = "9.9.9", .defaults = paths};
    memcpy(paths, data + text + 1, n - text - 1);
    paths[n - text - 1] = '\0';
    return experiment_receive(ret, data, &origin, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    if (receive(&experiment, (const char *)data, n, &error) == STATUS_OK) {
        struct bytes paths = BYTES_INIT;
        experiment_defaults(&experiment, &paths);
        fuzz_require(!paths.failed);
        bytes_release(&paths);
        read_back(&experiment);
        make_models(&experiment);
    } else {
        fuzz_require(error.status != STATUS_OK && error.message[0]);
    }
    experiment_release(&experiment);
    return 0;
}
