// What the parts of `cohort data inspect` share.
#pragma once

#include "base/error.h"

// Prints what each column of a CSV file holds.
enum status inspect_table(const char *path, const char *separator, struct error *error);
