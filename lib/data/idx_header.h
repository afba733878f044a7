// The header of an IDX array.
#pragma once

#include "data/array.h"

// Reads the header at the stream's start; `ret->stream` is the stream and stands at the first element
// afterwards.
enum status idx_read_header(struct array *ret, struct error *error);
