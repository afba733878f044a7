// Numbers as JSON spells them; texts are bytes_json of base/bytes.h.
#pragma once

#include "base/bytes.h"

// The shortest decimal that reads back as `value`; null when it is infinite or not a number, which JSON
// lacks. (jansson has a function json_real of its own.)
void bytes_json_real(struct bytes *bytes, double value);
