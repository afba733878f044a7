// safetensors files, as initial weights come from anybody. What is read, is written and read back as the
// same.
#include "base/memory.h"
#include "fuzz.h"
#include "store/safetensors.h"
#include <math.h>
#include <string.h>

static void load_again(const char *path, const struct layout *layout, const float *values)
{
    float *again = memory_floats(layout->n_parameters);
    fuzz_require(again != NULL);
    fuzz_require(safetensors_load(path, layout, again, NULL) == STATUS_OK);
    fuzz_require(memcmp(again, values, layout->n_parameters * sizeof *again) == 0);
    memory_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct layout layout = LAYOUT_INIT;
    struct error error = ERROR_INIT;
    struct bytes header = BYTES_INIT;
    float *values = NULL;
    const char *path = fuzz_file(0, data, n);
    if (safetensors_read(path, &layout, &values, &error) == STATUS_OK) {
        fuzz_require(layout.n_parameters <= n);
        for (size_t i = 0; i < layout.n_parameters; i++)
            fuzz_require(isfinite(values[i]));
        load_again(path, &layout, values);
        fuzz_require(safetensors_header(&layout, &header, NULL) == STATUS_OK);
    } else {
        fuzz_require(error.status != STATUS_OK && error.message[0]);
    }
    bytes_release(&header);
    memory_free(values);
    layout_release(&layout);
    return 0;
}
