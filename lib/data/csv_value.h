// What the text of a cell means.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A decimal number as JSON and spreadsheets write it (a leading + or . is fine; no hexadecimal, no separators
// of thousands, no inf or nan), rounded to the nearest double whatever the locale. False for anything else.
bool csv_number(const char *text, double *ret);

// True for the spellings of infinity and of not a number.
bool csv_is_not_finite(const char *text);
