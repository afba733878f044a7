// What the targets of data formats share: a file is opened, grouped and read, whole and in part.
#pragma once

#include "data/format.h"
#include "fuzz.h"

// Opens and reads; whatever the files hold, the samples are as many as was told, and classes are in range.
void fuzz_dataset(const struct choice *format, const struct data_files *files);
