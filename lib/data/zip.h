// The one thing needed of ZIP archives: an entry's bytes by its name (PKWARE APPNOTE 6.3; stored or deflated,
// with Zip64's sizes). Encrypted or split archives are refused.
#pragma once

#include "data/stream.h"

// The entry called `name`, or `name` with `suffix` after it. Not there: an error that lists what is.
enum status zip_open_entry(struct stream **ret, const char *path, const char *name, const char *suffix,
                           struct error *error);
