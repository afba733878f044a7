// IDX files, plain or gzipped: the input is the features, then the labels of four samples.
#include "datasets.h"

// Four samples of two bytes each.
static const uint8_t four[] = {0, 0, 8, 2, 0, 0, 0, 4, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct choice format;
    if (!format.kind)
        format = fuzz_choice(&formats, "idx");
    const char *input = fuzz_file(0, data, n);
    fuzz_dataset(&format, &(struct data_files){.features = input, .unlabelled = true});
    const char *features = fuzz_file(1, four, sizeof four);
    fuzz_dataset(&format, &(struct data_files){.features = features, .labels = input});
    return 0;
}
