// The trace of a run: what its processes wrote, put together in one file for chrome://tracing and Perfetto.
#pragma once

#include "base/error.h"
#include <stdio.h>

// Whether `path` can be written, before anything starts.
enum status traces_open(FILE **ret, const char *path, struct error *error);
// Moves the lines of the files *.trace in `folder` into it and closes it.
enum status traces_close(FILE *file, const char *folder, struct error *error);
