// The header of a NumPy array (NEP 1, "A simple file format for NumPy arrays"; versions 1 to 3).
#pragma once

#include "data/array.h"

// Reads the header at the stream's start; `ret->stream` is the stream and stands at the first element
// afterwards. Booleans, integers and floats of 4 or 8 bytes are read, of either byte order; anything else is
// an error that names it.
enum status npy_read_header(struct array *ret, struct error *error);
