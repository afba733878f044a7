// NPY files: the input is the features, then the labels of four samples.
#include "datasets.h"

// Four samples of two float32 each; the header ends at byte 64.
#define HEADER "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }             \n"
static const char four[10 + 118 + 32] = "\x93NUMPY\x01\x00\x76\x00" HEADER;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct choice format;
    if (!format.kind)
        format = fuzz_choice(&formats, "npy");
    const char *input = fuzz_file(0, data, n);
    fuzz_dataset(&format, &(struct data_files){.features = input, .unlabelled = true});
    const char *features = fuzz_file(1, four, sizeof four);
    fuzz_dataset(&format, &(struct data_files){.features = features, .labels = input});
    return 0;
}
