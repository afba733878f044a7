// Writes a model that safetensors.py expects, and prints the file's SHA-256: write-safetensors FILE
#include "base/memory.h"
#include "store/safetensors.h"
#include <stdio.h>

static enum status make(const char *path, char *ret_hex, struct error *error)
{
    struct layout layout = LAYOUT_INIT;
    uint8_t digest[SHA256_BYTES];
    TRY(layout_add(&layout, "0.weight", &(struct shape){2, {300, 7}}, error));
    TRY(layout_add(&layout, "0.bias", &(struct shape){1, {300}}, error));
    TRY(layout_add(&layout, "2.weight", &(struct shape){4, {5, 4, 3, 2}}, error));
    TRY(layout_add(&layout, "scale \"\xC3\xA9\\", &(struct shape){0}, error));
    float *values = memory_floats(layout.n_parameters);
    if (!values)
        return error_no_memory(error, layout.n_parameters * sizeof *values);
    for (size_t i = 0; i < layout.n_parameters; i++)
        values[i] = (float)i / 7 - 100;
    enum status status = safetensors_write(path, &layout, values, true, digest, error);
    if (status == STATUS_OK)
        sha256_hex(digest, ret_hex);
    memory_free(values);
    layout_release(&layout);
    return status;
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    char hex[SHA256_HEX_BYTES];
    if (argc != 2 || make(argv[1], hex, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", argc == 2 ? error.message : "usage: write-safetensors FILE");
        return 1;
    }
    puts(hex);
    return 0;
}
