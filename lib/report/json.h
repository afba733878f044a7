// Numbers as JSON spells them; texts are bytes_json of base/bytes.h.
#pragma once

#include "base/bytes.h"

// The shortest decimal that reads back as `value`; null when it is infinite or not a number, which JSON
// lacks.
void json_real(struct bytes *bytes, double value);
