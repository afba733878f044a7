// What the learner's /metrics tells.
#pragma once

#include "base/bytes.h"

// Appends all families. `self` is a struct host. Takes its lock.
void host_metrics(void *self, struct bytes *ret);
