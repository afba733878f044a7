// NPZ archives (ZIP, stored or deflated) that hold features and labels.
#include "datasets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct choice format;
    if (!format.kind)
        format = fuzz_choice(&formats, "npz");
    const char *input = fuzz_file(0, data, n);
    fuzz_dataset(&format, &(struct data_files){.features = input});
    fuzz_dataset(&format, &(struct data_files){.features = input, .unlabelled = true});
    return 0;
}
