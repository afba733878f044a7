// CSV files, read with several sets of options.
#include "datasets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const options[] = {
        "csv",
        "{kind: csv, label: label, missing: mean, standardize: true}",
        "{kind: csv, label: 1, header: false, separator: ';', missing: drop}",
        "{kind: csv, targets: [1, 2], target: values, missing: zero}",
    };
    static struct choice formats_of[4];
    const char *input = fuzz_file(0, data, n);
    for (size_t i = 0; i < 4; i++) {
        if (!formats_of[i].kind)
            formats_of[i] = fuzz_choice(&formats, options[i]);
        fuzz_dataset(&formats_of[i], &(struct data_files){.features = input});
    }
    return 0;
}
